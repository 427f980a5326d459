-- After TPC-C: orders of a wholesaler, smaller than the standard has it. Its transactions that write, in its shares, on eight tables; items are
-- only read. The same numbers in each run.
CREATE TABLE warehouse (w_id int PRIMARY KEY, w_name varchar(10), w_street varchar(20), w_city varchar(20), w_tax numeric(4,4), w_ytd numeric(12,2));
CREATE TABLE district (d_w_id int, d_id int, d_name varchar(10), d_street varchar(20), d_city varchar(20), d_tax numeric(4,4), d_ytd numeric(12,2),
    d_next_o_id int, PRIMARY KEY (d_w_id, d_id));
CREATE TABLE customer (c_w_id int, c_d_id int, c_id int, c_first varchar(16), c_middle char(2), c_last varchar(16), c_street varchar(20),
    c_city varchar(20), c_phone char(16), c_since timestamptz, c_credit char(2), c_credit_lim numeric(12,2), c_discount numeric(4,4),
    c_balance numeric(12,2), c_ytd_payment numeric(12,2), c_payment_cnt int, c_delivery_cnt int, c_data varchar(500),
    PRIMARY KEY (c_w_id, c_d_id, c_id));
CREATE TABLE history (h_c_id int, h_c_d_id int, h_c_w_id int, h_d_id int, h_w_id int, h_date timestamptz, h_amount numeric(6,2), h_data varchar(24));
CREATE TABLE orders (o_w_id int, o_d_id int, o_id int, o_c_id int, o_entry_d timestamptz, o_carrier_id int, o_ol_cnt int, PRIMARY KEY (o_w_id, o_d_id, o_id));
CREATE TABLE new_order (no_w_id int, no_d_id int, no_o_id int, PRIMARY KEY (no_w_id, no_d_id, no_o_id));
CREATE TABLE order_line (ol_w_id int, ol_d_id int, ol_o_id int, ol_number int, ol_i_id int, ol_supply_w_id int, ol_delivery_d timestamptz,
    ol_quantity int, ol_amount numeric(6,2), ol_dist_info char(24), PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number));
CREATE TABLE stock (s_w_id int, s_i_id int, s_quantity int, s_dist char(24), s_ytd int, s_order_cnt int, s_remote_cnt int, s_data varchar(50),
    PRIMARY KEY (s_w_id, s_i_id));

INSERT INTO warehouse SELECT w, 'house ' || w, 'street ' || w, 'city ' || w, 0.07, 0 FROM generate_series(1, 2) w;
INSERT INTO district SELECT w, d, 'part ' || d, 'street ' || d, 'city ' || d, 0.05, 0, 1 FROM generate_series(1, 2) w, generate_series(1, 10) d;
INSERT INTO customer SELECT w, d, c, 'first ' || c, 'OE', 'last ' || c, 'street ' || c, 'city ' || c, '0123456789012345', now(), 'GC', 50000, 0.1, -10, 10, 1, 0,
    repeat(md5(c::text), 12) FROM generate_series(1, 2) w, generate_series(1, 10) d, generate_series(1, 300) c;
INSERT INTO stock SELECT w, i, 10 + i % 91, substr(md5(i::text), 1, 24), 0, 0, 0, md5(i::text) FROM generate_series(1, 2) w, generate_series(1, 10000) i;
-- One of each, that the tables hold what the first order finds.
INSERT INTO orders VALUES (1, 1, 0, 1, now(), NULL, 1);
INSERT INTO new_order VALUES (1, 1, 0);
INSERT INTO order_line VALUES (1, 1, 0, 1, 1, 1, NULL, 5, 9.99, 'none');

CREATE FUNCTION new_order(w int, d int, c int, lines int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    o int; item int; quantity int;
BEGIN
    UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = w AND d_id = d RETURNING d_next_o_id - 1 INTO o;
    INSERT INTO orders VALUES (w, d, o, c, now(), NULL, lines);
    INSERT INTO new_order VALUES (w, d, o);
    FOR line IN 1..lines LOOP
        item := 1 + floor(random() * 10000);
        quantity := 1 + floor(random() * 10);
        UPDATE stock SET s_quantity = CASE WHEN s_quantity >= quantity + 10 THEN s_quantity - quantity ELSE s_quantity - quantity + 91 END,
            s_ytd = s_ytd + quantity, s_order_cnt = s_order_cnt + 1 WHERE s_w_id = w AND s_i_id = item;
        INSERT INTO order_line VALUES (w, d, o, line, item, w, NULL, quantity, quantity * 1.99, substr(md5(item::text), 1, 24));
    END LOOP;
    RETURN 3 + 2 * lines;
END $$;

CREATE FUNCTION payment(w int, d int, c int, amount numeric) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    UPDATE warehouse SET w_ytd = w_ytd + amount WHERE w_id = w;
    UPDATE district SET d_ytd = d_ytd + amount WHERE d_w_id = w AND d_id = d;
    UPDATE customer SET c_balance = c_balance - amount, c_ytd_payment = c_ytd_payment + amount, c_payment_cnt = c_payment_cnt + 1
        WHERE c_w_id = w AND c_d_id = d AND c_id = c;
    INSERT INTO history VALUES (c, d, w, d, w, now(), amount, 'house ' || w || ' part ' || d);
    RETURN 4;
END $$;

-- The oldest order of each district; how many rows it changes depends on how many wait.
CREATE FUNCTION delivery(w int, carrier int, OUT changes int, OUT deletes int) LANGUAGE plpgsql AS $$
DECLARE
    o int; c int; lines int; total numeric;
BEGIN
    changes := 0;
    deletes := 0;
    FOR d IN 1..10 LOOP
        DELETE FROM new_order WHERE no_w_id = w AND no_d_id = d
            AND no_o_id = (SELECT min(no_o_id) FROM new_order WHERE no_w_id = w AND no_d_id = d) RETURNING no_o_id INTO o;
        CONTINUE WHEN o IS NULL;
        UPDATE orders SET o_carrier_id = carrier WHERE o_w_id = w AND o_d_id = d AND o_id = o RETURNING o_c_id INTO c;
        SELECT sum(ol_amount) INTO total FROM order_line WHERE ol_w_id = w AND ol_d_id = d AND ol_o_id = o;
        UPDATE order_line SET ol_delivery_d = now() WHERE ol_w_id = w AND ol_d_id = d AND ol_o_id = o;
        GET DIAGNOSTICS lines = ROW_COUNT;
        UPDATE customer SET c_balance = c_balance + total, c_delivery_cnt = c_delivery_cnt + 1 WHERE c_w_id = w AND c_d_id = d AND c_id = c;
        changes := changes + 3 + lines;
        deletes := deletes + 1;
    END LOOP;
END $$;

-- 45 new orders and 43 payments to 4 deliveries, of which one new order in a hundred is rolled back, as the standard asks. Tells how many rows
-- were changed and committed, and how many of these changes were deletes.
CREATE PROCEDURE trade(transactions int, INOUT changes bigint, INOUT deletes bigint) LANGUAGE plpgsql AS $$
DECLARE
    kind int; w int; d int; c int; changed int; deleted int; orders int := 0;
BEGIN
    PERFORM setseed(0.5);
    FOR n IN 1..transactions LOOP
        kind := n * 41 % 92;
        w := 1 + floor(random() * 2);
        d := 1 + floor(random() * 10);
        c := 1 + floor(random() * 300);
        IF kind < 45 THEN
            orders := orders + 1;
            changed := new_order(w, d, c, (5 + floor(random() * 11))::int);
            IF orders % 100 = 0 THEN
                ROLLBACK;
            ELSE
                COMMIT;
                changes := changes + changed;
            END IF;
        ELSIF kind < 88 THEN
            changed := payment(w, d, c, (1 + floor(random() * 499900) / 100.0)::numeric(6,2));
            COMMIT;
            changes := changes + changed;
        ELSE
            SELECT * INTO changed, deleted FROM delivery(w, (1 + floor(random() * 10))::int);
            COMMIT;
            changes := changes + changed;
            deletes := deletes + deleted;
        END IF;
    END LOOP;
END $$;
