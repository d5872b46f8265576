//! Single members: added, counted up, removed, looked up; scores as text; the forms and their bytes.

use super::both;
use crate::check;

#[test]
fn members_are_added_changed_and_removed() {
    both(
        r#"
== arity and syntax
ZADD
ZADD z
ZADD z 1
ZADD z 1 a 2
ZADD z NX
ZADD z NX XX
ZADD z NX 1
ZADD z nonsense 1
ZADD z 1 a NX
ZADD z NX XX 1 a
ZADD z GT LT 1 a
ZADD z NX GT 1 a
ZADD z NX LT 1 a
ZADD z XX NX GT LT 1 a
ZADD z INCR 1 a 2 b
ZADD z INCR NX XX 1 a 2 b
ZADD z NX XX abc a
ZADD z INCR abc a 1 b
ZADD z abc a
ZADD z 1 a abc b
EXISTS z
ZINCRBY
ZINCRBY z 1
ZINCRBY z 1 a b
ZINCRBY z NX a
ZINCRBY z abc a
ZINCRBY z nan a
ZREM
ZREM z
ZCARD
ZCARD a b
ZSCORE z
ZSCORE z a b
ZMSCORE
ZMSCORE z
EXISTS z
== ZADD
ZADD z 1 a
ZADD z 2 b 3 c
ZADD z 1 a
ZADD z 5 a
ZADD z 7 a 7 b 8 d
ZADD z CH 9 a 7 b 8 e
ZADD z ch 9 a
ZADD z CH CH 10 a
ZRANGE z 0 -1 WITHSCORES
ZADD z NX 1 a 1 new
ZADD z NX CH 1 a 1 newer
ZADD z XX 2 a 2 newest
ZADD z XX CH 3 a 3 newest
ZADD z GT 1 a 20 b 4 gt
ZADD z GT CH 100 a 20 b 1 e
ZADD z LT CH 1 a 200 b 0 e 3 lt
ZADD z XX GT CH 50 a 60 nothere
ZADD z XX LT CH 40 a 60 nothere
ZRANGE z 0 -1 WITHSCORES
ZADD missing XX 1 a
ZADD missing XX INCR 1 a
ZADD missing XX GT 1 a
EXISTS missing
ZADD twice 1 a 2 a 3 a
ZADD twice CH 3 a 4 a 3 a
ZSCORE twice a
== INCR
ZADD z INCR 5 a
ZADD z INCR 5 a
ZADD z INCR -2.5 a
ZADD z NX INCR 5 a
ZADD z XX INCR 5 a
ZADD z XX INCR 5 b
ZADD z NX INCR 5 b
ZADD z GT INCR 5 a
ZADD z GT INCR -5 a
ZADD z LT INCR -5 a
ZADD z LT INCR 5 a
ZADD z GT INCR 0 a
ZADD z INCR 0 a
ZADD z CH INCR 1 a
ZINCRBY z 1 a
ZINCRBY z 0.1 a
ZINCRBY z 0.2 a
ZINCRBY z 3 c
ZINCRBY z 0 c
ZINCRBY fresh 1.5 m
ZINCRBY z inf i
ZINCRBY z -inf i
ZSCORE z i
ZINCRBY z 1e308 h
ZINCRBY z 1e308 h
ZINCRBY z -1e308 h
ZRANGE z 0 -1 WITHSCORES
== ZREM
ZADD z 1 a 2 b 3 c 4 d
ZREM z a x b b
ZREM z x y
ZREM missing a
ZRANGE z 0 -1
ZREM z c d e
EXISTS z
== look-ups
ZADD z 1 a 2.5 b
ZSCORE z a
ZSCORE z b
ZSCORE z x
ZSCORE missing a
ZMSCORE z a x b a
ZMSCORE missing a b
ZCARD z
ZCARD missing
== another type
SET s v
ZADD s 1 a
ZADD s XX 1 a
ZADD s abc a
ZINCRBY s 1 a
ZINCRBY s abc a
ZREM s a
ZCARD s
ZSCORE s a
ZMSCORE s a b
ZADD z 1 a
GET z
LPUSH z a
LRANGE z 0 -1
INCR z
APPEND z x
TYPE z
OBJECT REFCOUNT z
SCAN 0 TYPE zset
SCAN 0 TYPE string
"#,
    );
}

#[test]
fn scores_are_read_and_printed_as_by_redis() {
    both(
        r#"
== scores
ZADD z 0 zero -0 minus 1 one -1 minusone 1.5 b 0.1 c 0.2 d 3.0 e 1e3 f 1e16 g 1e17 h 1e18 i 123456789012345678 j
ZADD z 4503599627370495 k 4503599627370496 l -4503599627370495 m -4503599627370496 n 9007199254740993 o 1e308 p -1e308 q
ZADD z 1e-7 r 1e-300 s 5e-324 t inf u -inf v +inf w Infinity x -INFINITY y 0x10 A 0x1p-3 B .5 C 5. D +7 E 1e+2 F
ZADD z 9223372036854775807 G -9223372036854775808 H 0.1e1 I 3.14159265358979323846 J 17.000000000000004 K
ZRANGE z 0 -1 WITHSCORES
ZSCORE z minus
ZSCORE z zero
ZINCRBY z -0 zero
ZADD z -0 zero
ZADD z 0 minus
ZSCORE z minus
!let dump DUMP z
RESTORE copy 0 $dump
ZRANGE copy 0 -1 WITHSCORES
DEBUG DIGEST-VALUE z copy
== refused
ZADD z nan a
ZADD z NaN a
ZADD z -nan a
ZADD z "" a
ZADD z " 1" a
ZADD z "1 " a
ZADD z 1e a
ZADD z 1e999 a
ZADD z -1e999 a
ZADD z 1e-999 a
ZADD z 0x a
ZADD z 0x1p9999 a
ZADD z (1 a
ZADD z 1,5 a
ZADD z "1\x00" a
ZADD z infi a
ZADD z infinite a
ZADD z --1 a
EXISTS z
== members
ZADD z 1 "" 1 "\x00" 1 "\xff" 1 "\r\n" 1 0 1 00 1 -1 1 12345678901234567890 1 a 1 B 1 " "
ZRANGE z 0 -1
ZSCORE z 0
ZSCORE z 00
ZSCORE z ""
ZREM z 0 "" "\xff"
ZRANGE z 0 -1
"#,
    );
}

#[test]
fn forms_limits_and_bytes() {
    check(
        r#"
== small
ZADD z 1 a 2.5 b -3 c inf d
OBJECT ENCODING z
DUMP z
DEBUG DIGEST-VALUE z
ZADD z 7 a 7 b 8 12345
DUMP z
ZREM z b
DUMP z
ZINCRBY z 0.25 a
DUMP z
== entries
!config zset-max-listpack-entries 3
ZADD z 1 a 2 b 3 c
OBJECT ENCODING z
ZADD z 9 a
OBJECT ENCODING z
ZADD z 4 d
OBJECT ENCODING z
DUMP z
DEBUG DIGEST-VALUE z
ZREM z a b c
OBJECT ENCODING z
!let dump DUMP z
RESTORE copy 0 $dump
OBJECT ENCODING copy
DUMP copy
COPY z another
OBJECT ENCODING another
RENAME another third
ZRANGE third 0 -1 WITHSCORES
== entries at once
!config zset-max-ziplist-entries 3
ZADD z 1 a 2 b 3 c 4 d
OBJECT ENCODING z
CONFIG GET zset-max-listpack-entries
CONFIG GET zset-max-ziplist-entries
== value
!config zset-max-listpack-value 4
ZADD z 1 aaaa
OBJECT ENCODING z
ZADD z 2 aaaaa
OBJECT ENCODING z
DUMP z
ZADD y 1 aaaaa
OBJECT ENCODING y
ZADD x XX 1 aaaaa
ZADD x 1 b
OBJECT ENCODING x
== both at their defaults
!times 128 ZADD z %d member:%d
OBJECT ENCODING z
DUMP z
ZADD z 7 more
OBJECT ENCODING z
DUMP z
DEBUG DIGEST-VALUE z
!times 3000 ZADD big %d.5 member:%d
DUMP big
DEBUG DIGEST-VALUE big
DEBUG RELOAD
DEBUG DIGEST-VALUE big z
OBJECT ENCODING z
!times 3000 ZADD big -%d member:%d
DUMP big
!times 2990 ZREM big member:%d
DUMP big
OBJECT ENCODING big
DEBUG RELOAD
OBJECT ENCODING big
DUMP big
"#,
    );
}
