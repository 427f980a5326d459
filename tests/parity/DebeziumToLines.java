import io.debezium.connector.postgresql.PostgresConnectorTask;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTaskContext;
import org.apache.kafka.connect.storage.OffsetStorageReader;

/**
 * Runs Debezium's PostgreSQL connector as a Kafka Connect worker would, and writes what would go to Kafka: a line of JSON a record, its
 * parts the very bytes that JsonConverter makes.
 *
 * <p>Usage: DebeziumToLines FOLDER. Each NAME.properties there is a connector, whose records go to NAME.lines beside it. It runs until it is
 * killed, or until a connector fails.
 */
public final class DebeziumToLines {
    /** Before the names of JsonConverter's properties, as in a worker's own configuration. */
    private static final String CONVERTER_PREFIX = "value.converter.";

    private DebeziumToLines() {}

    public static void main(String[] arguments) throws Exception {
        List<Path> configurations = new ArrayList<>();
        try (Stream<Path> entries = Files.list(Path.of(arguments[0]))) {
            entries.filter(path -> path.toString().endsWith(".properties")).sorted().forEach(configurations::add);
        }
        for (Path configuration : configurations) {
            Thread thread = new Thread(() -> {
                try {
                    run(configuration);
                } catch (Throwable failure) {
                    System.err.println("the connector of " + configuration + " has failed");
                    failure.printStackTrace();
                    // No use in waiting for records that will not come.
                    Runtime.getRuntime().halt(1);
                }
            }, configuration.getFileName().toString());
            thread.start();
        }
    }

    private static void run(Path configuration) throws Exception {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(configuration)) {
            properties.load(reader);
        }
        Map<String, String> settings = new HashMap<>();
        properties.forEach((name, value) -> settings.put((String) name, (String) value));

        PostgresConnectorTask task = new PostgresConnectorTask();
        task.initialize(new Context(settings));
        task.start(settings);
        Map<String, String> converter = new HashMap<>();
        settings.forEach((name, value) -> {
            if (name.startsWith(CONVERTER_PREFIX)) {
                converter.put(name.substring(CONVERTER_PREFIX.length()), value);
            }
        });
        Lines lines = new Lines(Path.of(configuration.toString().replace(".properties", ".lines")), converter);
        while (true) {
            List<SourceRecord> records = task.poll();
            for (SourceRecord record : records == null ? List.<SourceRecord>of() : records) {
                lines.write(record);
            }
            lines.flush();
        }
    }

    /** The file of records. */
    private static final class Lines {
        private static final byte[] NULL = "null".getBytes(StandardCharsets.UTF_8);

        private final OutputStream file;
        private final JsonConverter keys = new JsonConverter();
        private final JsonConverter values = new JsonConverter();

        Lines(Path path, Map<String, String> converter) throws IOException {
            file = new BufferedOutputStream(Files.newOutputStream(path));
            keys.configure(converter, true);
            values.configure(converter, false);
        }

        void write(SourceRecord record) throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            line.write(("{\"topic\":\"" + record.topic() + "\",\"key\":").getBytes(StandardCharsets.UTF_8));
            line.write(orNull(keys.fromConnectData(record.topic(), record.keySchema(), record.key())));
            line.write(",\"value\":".getBytes(StandardCharsets.UTF_8));
            line.write(orNull(values.fromConnectData(record.topic(), record.valueSchema(), record.value())));
            line.write(",\"headers\":{".getBytes(StandardCharsets.UTF_8));
            String separator = "";
            for (Header header : record.headers()) {
                line.write((separator + "\"" + header.key() + "\":").getBytes(StandardCharsets.UTF_8));
                line.write(orNull(values.fromConnectHeader(record.topic(), header.key(), header.schema(), header.value())));
                separator = ",";
            }
            line.write("}}\n".getBytes(StandardCharsets.UTF_8));
            line.writeTo(file);
        }

        private static byte[] orNull(byte[] json) {
            return json == null ? NULL : json;
        }

        void flush() throws IOException {
            file.flush();
        }
    }

    /** A worker that has never run before. */
    private record Context(Map<String, String> configs) implements SourceTaskContext {
        @Override
        public OffsetStorageReader offsetStorageReader() {
            return new OffsetStorageReader() {
                @Override
                public <T> Map<String, Object> offset(Map<String, T> partition) {
                    return null;
                }

                @Override
                public <T> Map<Map<String, T>, Map<String, Object>> offsets(Collection<Map<String, T>> partitions) {
                    return new HashMap<>();
                }
            };
        }

        @Override
        public PluginMetrics pluginMetrics() {
            return null;
        }
    }
}
