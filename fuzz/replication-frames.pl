# The frames of a walsender as they come over the wire: perl replication-frames.pl SOCKET DATABASE SLOT COUNT
#
# Prints the content of the first COUNT CopyData frames in hexadecimal, one a line. It speaks just enough of the protocol for a server
# that trusts its local users.
use strict;
use warnings;
use IO::Socket::UNIX;

my ($path, $database, $slot, $count) = @ARGV;
my $socket = IO::Socket::UNIX->new(Peer => $path) or die "cannot connect to $path: $!";

sub read_exactly {
    my ($length) = @_;
    my $bytes = '';
    while (length $bytes < $length) {
        $socket->sysread($bytes, $length - length $bytes, length $bytes) or die "the server hung up";
    }
    return $bytes;
}

sub receive {
    my ($tag, $length) = unpack 'a N', read_exactly(5);
    my $content = read_exactly($length - 4);
    die "the server says: $content" if $tag eq 'E';
    return ($tag, $content);
}

my $startup = pack('N', 196608) . join("\0", 'user', 'postgres', 'database', $database, 'replication', 'database') . "\0\0";
$socket->syswrite(pack('N', 4 + length $startup) . $startup);
while ((receive())[0] ne 'Z') { }

my $command = qq{START_REPLICATION SLOT "$slot" LOGICAL 0/0 (proto_version '1', publication_names 'everything')\0};
$socket->syswrite('Q' . pack('N', 4 + length $command) . $command);
while ((receive())[0] ne 'W') { }

for (1 .. $count) {
    my ($tag, $content) = receive();
    die "expected CopyData, found $tag" if $tag ne 'd';
    print unpack('H*', $content), "\n";
}
