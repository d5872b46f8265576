//! Odd numbers in every numeric argument of the commands of field expiry, each with the reply that Redis 8.0.6 gave.

use crate::check;

#[test]
fn numbers_of_field_expiry() {
    check(
        r#"
== numbers
!resp2
{7.2 ":0\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "*1\r\n:2\r\n"} HEXPIREAT h 0 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIREAT h 0 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 0 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 0 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 0 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 0 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 0 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h PXAT 0 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 0 x
{7.2 ":1\r\n"} HSETEX h EX 0 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h PXAT 0 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 0 b 1
{7.2 ":0\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HEXPIREAT h -1 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIREAT h -1 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HEXPIRE h -1 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIRE h -1 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS -1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS -1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS -1 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS -1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS -1 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -1 FIELDS 1 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h PXAT -1 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS -1 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h EX -1 FIELDS 1 b 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h PXAT -1 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS -1 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "*1\r\n:2\r\n"} HEXPIREAT h 1 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIREAT h 1 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 1 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 1 FIELDS 1 x
{7.2 "*1\r\n:-2\r\n"} HPERSIST h FIELDS 1 x
{7.2 "*1\r\n:-2\r\n"} HPEXPIRETIME h FIELDS 1 x
{7.2 "*1\r\n:-2\r\n"} HTTL h FIELDS 1 x
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 9 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETDEL h FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 1 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h PXAT 1 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h FIELDS 1 x
{7.2 ":1\r\n"} HSETEX h EX 1 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h PXAT 1 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h FIELDS 1 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "*1\r\n:1\r\n"} HEXPIREAT h 2147483647 FIELDS 1 a
{7.2 "*1\r\n:2\r\n"} HPEXPIREAT h 2147483647 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 2147483647 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 2147483647 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 2147483647 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRETIME h FIELDS 2147483647 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 2147483647 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HEXPIRE h 9 FIELDS 2147483647 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 2147483647 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 2147483647 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h PXAT 2147483647 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 2147483647 x
{7.2 ":1\r\n"} HSETEX h EX 2147483647 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h PXAT 2147483647 FIELDS 1 b 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 2147483647 b 1
{7.2 ":0\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "*1\r\n:1\r\n"} HEXPIREAT h 2147483648 FIELDS 1 a
{7.2 "*1\r\n:2\r\n"} HPEXPIREAT h 2147483648 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 2147483648 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 2147483648 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 2147483648 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRETIME h FIELDS 2147483648 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 2147483648 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HEXPIRE h 9 FIELDS 2147483648 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 2147483648 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 2147483648 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h PXAT 2147483648 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 2147483648 x
{7.2 ":1\r\n"} HSETEX h EX 2147483648 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h PXAT 2147483648 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 2147483648 b 1
{7.2 ":0\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HEXPIREAT h -2147483649 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIREAT h -2147483649 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HEXPIRE h -2147483649 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIRE h -2147483649 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS -2147483649 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS -2147483649 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS -2147483649 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS -2147483649 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS -2147483649 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -2147483649 FIELDS 1 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h PXAT -2147483649 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS -2147483649 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h EX -2147483649 FIELDS 1 b 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h PXAT -2147483649 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS -2147483649 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "*1\r\n:1\r\n"} HEXPIREAT h 4294967296 FIELDS 1 a
{7.2 "*1\r\n:2\r\n"} HPEXPIREAT h 4294967296 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 4294967296 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 4294967296 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 4294967296 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRETIME h FIELDS 4294967296 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 4294967296 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HEXPIRE h 9 FIELDS 4294967296 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 4294967296 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 4294967296 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h PXAT 4294967296 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 4294967296 x
{7.2 ":1\r\n"} HSETEX h EX 4294967296 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h PXAT 4294967296 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 4294967296 b 1
{7.2 ":0\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR invalid expire time in 'hexpireat' command\r\n"} HEXPIREAT h 9223372036854775807 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hpexpireat' command\r\n"} HPEXPIREAT h 9223372036854775807 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpire' command\r\n"} HEXPIRE h 9223372036854775807 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hpexpire' command\r\n"} HPEXPIRE h 9223372036854775807 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 9223372036854775807 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRETIME h FIELDS 9223372036854775807 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 9223372036854775807 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HEXPIRE h 9 FIELDS 9223372036854775807 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 9223372036854775807 x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EX 9223372036854775807 FIELDS 1 x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h PXAT 9223372036854775807 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 9223372036854775807 x
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h EX 9223372036854775807 FIELDS 1 b 1
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h PXAT 9223372036854775807 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 9223372036854775807 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h 9223372036854775808 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h 9223372036854775808 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h 9223372036854775808 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 9223372036854775808 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 9223372036854775808 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 9223372036854775808 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 9223372036854775808 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 9223372036854775808 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 9223372036854775808 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX 9223372036854775808 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT 9223372036854775808 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 9223372036854775808 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX 9223372036854775808 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT 9223372036854775808 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 9223372036854775808 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HEXPIREAT h -9223372036854775808 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIREAT h -9223372036854775808 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HEXPIRE h -9223372036854775808 FIELDS 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIRE h -9223372036854775808 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS -9223372036854775808 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS -9223372036854775808 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS -9223372036854775808 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS -9223372036854775808 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS -9223372036854775808 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -9223372036854775808 FIELDS 1 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h PXAT -9223372036854775808 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS -9223372036854775808 x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h EX -9223372036854775808 FIELDS 1 b 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h PXAT -9223372036854775808 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS -9223372036854775808 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h -9223372036854775809 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h -9223372036854775809 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h -9223372036854775809 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h -9223372036854775809 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS -9223372036854775809 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS -9223372036854775809 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS -9223372036854775809 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS -9223372036854775809 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS -9223372036854775809 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX -9223372036854775809 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT -9223372036854775809 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS -9223372036854775809 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX -9223372036854775809 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT -9223372036854775809 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS -9223372036854775809 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h 18446744073709551616 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h 18446744073709551616 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h 18446744073709551616 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 18446744073709551616 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 18446744073709551616 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 18446744073709551616 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 18446744073709551616 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 18446744073709551616 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 18446744073709551616 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX 18446744073709551616 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT 18446744073709551616 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 18446744073709551616 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX 18446744073709551616 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT 18446744073709551616 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 18446744073709551616 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "*1\r\n:2\r\n"} HEXPIREAT h 536870913 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIREAT h 536870913 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HEXPIRE h 536870913 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 536870913 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 536870913 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRETIME h FIELDS 536870913 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 536870913 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HEXPIRE h 9 FIELDS 536870913 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 536870913 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 536870913 FIELDS 1 x
{7.2 "*1\r\n$-1\r\n"} HGETEX h PXAT 536870913 FIELDS 1 x
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 536870913 x
{7.2 ":1\r\n"} HSETEX h EX 536870913 FIELDS 1 b 1
{7.2 ":1\r\n"} HSETEX h PXAT 536870913 FIELDS 1 b 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 536870913 b 1
{7.2 ":0\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h nan FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h nan FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h nan FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h nan FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS nan x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS nan x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS nan x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS nan x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS nan x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX nan FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT nan FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS nan x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX nan FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT nan FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS nan b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h inf FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h inf FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h inf FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h inf FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS inf x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS inf x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS inf x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS inf x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS inf x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX inf FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT inf FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS inf x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX inf FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT inf FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS inf b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h 1e308 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h 1e308 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h 1e308 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 1e308 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 1e308 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 1e308 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 1e308 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 1e308 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 1e308 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX 1e308 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT 1e308 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 1e308 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX 1e308 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT 1e308 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 1e308 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h -0 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h -0 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h -0 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h -0 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS -0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS -0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS -0 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS -0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS -0 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX -0 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT -0 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS -0 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX -0 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT -0 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS -0 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h "" FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h "" FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h "" FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h "" FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS "" x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS "" x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS "" x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS "" x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS "" x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX "" FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT "" FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS "" x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX "" FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT "" FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS "" b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h 0x1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h 0x1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h 0x1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 0x1 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 0x1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 0x1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 0x1 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 0x1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 0x1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX 0x1 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT 0x1 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 0x1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX 0x1 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT 0x1 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 0x1 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h " 1" FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h " 1" FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h " 1" FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h " 1" FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS " 1" x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS " 1" x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS " 1" x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS " 1" x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS " 1" x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX " 1" FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT " 1" FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS " 1" x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX " 1" FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT " 1" FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS " 1" b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h "1 " FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h "1 " FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h "1 " FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h "1 " FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS "1 " x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS "1 " x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS "1 " x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS "1 " x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS "1 " x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX "1 " FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT "1 " FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS "1 " x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX "1 " FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT "1 " FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS "1 " b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h 1.0 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h 1.0 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h 1.0 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 1.0 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 1.0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 1.0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 1.0 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 1.0 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 1.0 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX 1.0 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT 1.0 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 1.0 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX 1.0 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT 1.0 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 1.0 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h +1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h +1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h +1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h +1 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS +1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS +1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS +1 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS +1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS +1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX +1 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT +1 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS +1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX +1 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT +1 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS +1 b 1
{7.2 ":1\r\n"} DEL h
{7.2 ":1\r\n"} HSET h a 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIREAT h 01 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIREAT h 01 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HEXPIRE h 01 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 01 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 01 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPEXPIRETIME h FIELDS 01 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 01 x
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HEXPIRE h 9 FIELDS 01 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 01 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX 01 FIELDS 1 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h PXAT 01 FIELDS 1 x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 01 x
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX 01 FIELDS 1 b 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h PXAT 01 FIELDS 1 b 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 01 b 1
"#,
    );
}
