//! Lua scripts: the commands that run and manage them, what scripts find in their world, and how values and errors
//! pass in both directions.

use integration::oracle::Binary;

use crate::{check, check_with, compare};

const COMMANDS: &str = r#"
EVAL "return 1" 0
EVAL "return {KEYS[1],KEYS[2],ARGV[1],#KEYS,#ARGV}" 2 a b c
EVAL "return 1"
EVAL "return 1" x
EVAL "return 1" -1
EVAL "return 1" 1
EVAL "return 1" 3 a b
EVAL "return 1 +" 0
EVAL "" 0
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT LOAD "return 1"
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0
EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8d 0
EVALSHA nosuch 0
EVALSHA nosuch x
EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
EVAL_RO "return redis.call('get',KEYS[1])" 1 k
EVAL_RO "return redis.call('set',KEYS[1],1)" 1 k
EVAL_RO "return redis.pcall('set',KEYS[1],1)" 1 k
SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db E0E1F9FABFC9D4800C877A703B823AC0578FF8DB x
SCRIPT EXISTS
SCRIPT LOAD "return 1 +"
SCRIPT LOAD
SCRIPT LOAD a b
SCRIPT FLUSH x
SCRIPT FLUSH SYNC ASYNC
SCRIPT FLUSH SYNC
SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
SCRIPT FLUSH async
SCRIPT FLUSH
SCRIPT KILL
SCRIPT KILL x
SCRIPT DEBUG NO
SCRIPT DEBUG x
SCRIPT HELP
SCRIPT
SCRIPT nosuch
{any} SCRIPT DEBUG YES
"#;

#[test]
fn the_commands_about_scripts() {
    check(COMMANDS);
}

const FLAGS: &str = r##"
EVAL "#!lua\nreturn 1" 0
EVAL "#!lua" 0
EVAL "#!lua flags=\nreturn 1" 0
EVAL "#!lua flags=no-writes\nreturn redis.call('set','k',1)" 0
EVAL "#!lua flags=no-writes,allow-stale\nreturn redis.call('get','k')" 0
EVAL "#!lua flags=nosuch\nreturn 1" 0
EVAL "#!lua flags=no-writes,,\nreturn 1" 0
EVAL "#!lua flag=no-writes\nreturn 1" 0
EVAL "#!lua name=x\nreturn 1" 0
EVAL "#!js\nreturn 1" 0
EVAL "#!\nreturn 1" 0
EVAL "#!lua\nreturn x" 0
EVAL_RO "#!lua\nreturn 1" 0
EVAL_RO "#!lua flags=no-writes\nreturn 1" 0
EVAL "#!lua flags=allow-cross-slot-keys,no-cluster,allow-oom\nreturn 1" 0
"##;

#[test]
fn first_lines_and_flags() {
    check(FLAGS);
}

const VALUES: &str = r#"
EVAL "return {1,2.9,-2.9,'x',true,false,{1,{2}},nil,3}" 0
EVAL "return {1e15,1e18,1e19,-1e19,0/0,1/0,-1/0}" 0
EVAL "return 9007199254740993" 0
EVAL "return {ok='fine'}" 0
EVAL "return {err='bad'}" 0
EVAL "return {err='BAD one'}" 0
EVAL "return {ok='a\r\nb'}" 0
EVAL "return redis.error_reply('x')" 0
EVAL "return redis.error_reply('-x')" 0
EVAL "return redis.error_reply('a b')" 0
EVAL "return redis.error_reply('')" 0
EVAL "return redis.error_reply('-')" 0
EVAL "return redis.error_reply('-a b c')" 0
EVAL "return redis.error_reply(5)" 0
EVAL "return redis.error_reply('-MY x')" 0
EVAL "return redis.error_reply()" 0
EVAL "return redis.status_reply('x')" 0
EVAL "return redis.status_reply()" 0
EVAL "return {double=1.5}" 0
EVAL "return {map={a=1}}" 0
EVAL "return {set={a=true}}" 0
EVAL "return {big_number='123'}" 0
EVAL "return {verbatim_string={format='txt',string='x'}}" 0
EVAL "redis.setresp(3) return {double=1.5}" 0
EVAL "redis.setresp(3) return {map={a=1}}" 0
EVAL "redis.setresp(3) return {set={a=true}}" 0
EVAL "redis.setresp(3) return {big_number='123'}" 0
EVAL "redis.setresp(3) return {verbatim_string={format='txt',string='x'}}" 0
EVAL "redis.setresp(3) return {true,false}" 0
EVAL "redis.setresp(3) return nil" 0
EVAL "redis.setresp(4)" 0
EVAL "redis.setresp()" 0
EVAL "redis.setresp('3') return 1" 0
EVAL "return function() end" 0
EVAL "return coroutine.create(function() end)" 0
HSET h a 1 b 2
EVAL "return redis.call('hgetall','h')" 0
EVAL "redis.setresp(3) local r=redis.call('hgetall','h') return {type(r.map),r.map.a,r.map.b}" 0
EVAL "redis.setresp(3) return redis.call('hgetall','h')" 0
ZADD z 1.5 a
EVAL "return redis.call('zscore','z','a')" 0
EVAL "redis.setresp(3) return redis.call('zscore','z','a').double*2" 0
EVAL "redis.setresp(3) return redis.call('zrange','z',0,-1,'withscores')" 0
SADD s a
EVAL "redis.setresp(3) return redis.call('smembers','s').set.a" 0
EVAL "return redis.call('get','none')" 0
EVAL "redis.setresp(3) return redis.call('get','none')" 0
EVAL "redis.setresp(3) return tostring(redis.call('get','none'))" 0
EVAL "return type(redis.call('ping').ok)" 0
EVAL "return redis.call('set','k',12.5)" 0
EVAL "return redis.call('get','k')" 0
EVAL "redis.call('set','k',0.1) redis.call('append','k',1e20) return redis.call('get','k')" 0
EVAL "return redis.call('incrbyfloat','k2','1.25')" 0
EVAL "return redis.call('time')[1]+0 > 1600000000" 0
EVAL "return redis.call('lrange','l',0,-1)" 0
EVAL "return redis.pcall('lpush','h','x')" 0
EVAL "return redis.pcall('lpush','h','x').err" 0
EVAL "return redis.call('lpush','h','x')" 0
"#;

#[test]
fn values_become_replies_and_replies_values() {
    check(VALUES);
}

#[test]
fn texts_and_arguments_of_any_bytes() {
    check(
        r##"
EVAL "\xff\xfe" 0
EVAL "#!\xff\nreturn 1" 0
EVAL "#!lua \xff\nreturn 1" 0
EVAL "#!lua flags=\xff\nreturn 1" 0
EVAL "return {err='a\\0b c'}" 0
EVAL "return {ok='a\\0b c'}" 0
EVAL "error('x\\0y')" 0
EVAL "return redis.error_reply('-\\r\\nERR a\\r\\nb\\r\\n')" 0
EVAL "return redis.error_reply('\\r\\n')" 0
EVAL "redis.log('2x','m')" 0
EVAL "return redis.log('2','m')" 0
EVAL "return redis.set_repl('a')" 0
EVAL "return redis.sha1hex(1.5)" 0
EVAL "return redis.sha1hex(nil)" 0
EVAL "return redis.sha1hex({})" 0
EVAL "return redis.acl_check_cmd({})" 0
"##,
    );
}

const ERRORS: &str = r#"
EVAL "error('x')" 0
EVAL "error({err='MY x'})" 0
EVAL "error()" 0
EVAL "error('x',0)" 0
EVAL "return redis.call()" 0
EVAL "return redis.pcall()" 0
EVAL "return redis.call({})" 0
EVAL "return redis.call('get',nil)" 0
EVAL "return redis.call('nosuch')" 0
EVAL "return redis.pcall('nosuch')" 0
EVAL "return redis.call('get')" 0
EVAL "return redis.call('get','a','b')" 0
EVAL "return redis.call('config','nosuch')" 0
EVAL "return redis.call('config')" 0
EVAL "return redis.call('multi')" 0
EVAL "return redis.call('eval','return 1',0)" 0
EVAL "return redis.call('subscribe','c')" 0
EVAL "return redis.call('save')" 0
EVAL "return redis.call('blpop','none',0)" 0
EVAL "return redis.call('brpoplpush','none','b',0)" 0
EVAL "return redis.call('bzpopmin','none',0)" 0
EVAL "return redis.call('wait',1,0)" 0
EVAL "x=1" 0
EVAL "return x" 0
EVAL "local function f() return x end f()" 0
EVAL "return _G.x" 0
EVAL "redis.x=1" 0
EVAL "string.rep=nil" 0
EVAL "rawset(_G,'x',1)" 0
EVAL "setmetatable(_G,{})" 0
EVAL "getmetatable('').__index=nil" 0
EVAL "return require('x')" 0
EVAL "return loadfile('x')" 0
EVAL "return dofile('x')" 0
EVAL "return print(1)" 0
EVAL "return io.open('x')" 0
EVAL "return debug.getinfo(1)" 0
EVAL "return {pcall(redis.call,'get')}" 0
EVAL "return {pcall(error,{err='x'})}" 0
EVAL "return select(2,pcall(error,'x'))" 0
EVAL "local t={} return t.x.y" 0
EVAL "local t={} for i=1,200 do t={t} end return t" 0
EVAL "return {err=1}" 0
EVAL "return {ok=1}" 0
EVAL "error({err=1})" 0
EVAL "error({err='x y',source='a',line=3})" 0
EVAL "local function f() return f()+1 end return f()" 0
EVAL "\n\nerror('third line')" 0
EVAL "return loadstring('return 5')()" 0
EVAL "return loadstring('x = 5')()" 0
EVAL "return {loadstring('return +')}" 0
EVAL "return redis.sha1hex('')" 0
EVAL "return redis.sha1hex()" 0
EVAL "return {redis.sha1hex(false),redis.sha1hex(nil),redis.sha1hex({}),redis.sha1hex(1.5)}" 0
EVAL "return redis.replicate_commands()" 0
EVAL "return redis.set_repl(redis.REPL_ALL)" 0
EVAL "return redis.set_repl()" 0
EVAL "return redis.set_repl(99)" 0
EVAL "return redis.breakpoint()" 0
EVAL "return redis.debug('x')" 0
EVAL "return redis.log(redis.LOG_DEBUG,'x')" 0
EVAL "return redis.log(1)" 0
EVAL "return redis.log(10,'x')" 0
EVAL "return redis.log('x','x')" 0
EVAL "return redis.acl_check_cmd('get','k')" 0
EVAL "return redis.acl_check_cmd('nosuch')" 0
EVAL "return redis.acl_check_cmd()" 0
EVAL "return {redis.LOG_DEBUG,redis.LOG_WARNING,redis.REPL_ALL,redis.REPL_NONE}" 0
EVAL "return tostring(redis.REDIS_VERSION_NUM>458752)" 0
"#;

#[test]
fn errors_of_scripts() {
    check(ERRORS);
}

const LIBRARIES: &str = r#"
EVAL "return cjson.encode({1,2,{a='x'},cjson.null,1.5,true})" 0
EVAL "return cjson.decode('[1,[2,{\"a\":\"b\"}],null,true]')" 0
EVAL "return cjson.decode('{\"a\":[]}').a" 0
EVAL "return cjson.decode('[')" 0
EVAL "return cjson.encode({[1]=1,[100]=1})" 0
EVAL "local t={} for i=1,2000 do t={t} end return cjson.encode(t)" 0
EVAL "return cjson.encode({f=function() end})" 0
EVAL "return cmsgpack.pack({1,'a',1.5,{x=1},nil})" 0
EVAL "return cmsgpack.unpack(cmsgpack.pack({1,2,{3}}))" 0
EVAL "return cmsgpack.unpack('\x93\x01')" 0
EVAL "return struct.pack('>I2i4s','1','-2','abc')" 0
EVAL "return {struct.unpack('>I2',struct.pack('>I2',513))}" 0
EVAL "return struct.size('i4i8')" 0
EVAL "return struct.pack('q',1)" 0
EVAL "return bit.band(255,15)" 0
EVAL "return bit.tohex(255,4)" 0
EVAL "return {bit.bnot(0),bit.lshift(1,31),bit.rol(1,1),bit.bswap(1)}" 0
EVAL "return {string.format('%5.2f|%d|%s|%q',1.234,5,'x','a\\nb')}" 0
EVAL "return {string.find('hello world','o (w)')}" 0
EVAL "return {string.gsub('hello','l','L')}" 0
EVAL "return string.rep('ab',3)" 0
EVAL "return {math.floor(1.5),math.max(1,3,2),math.huge==1/0}" 0
EVAL "math.randomseed(5) return {math.random(100),math.random(100),math.random(5,10)}" 0
EVAL "local t={3,1,2} table.sort(t) return t" 0
EVAL "local t={3,1,2} table.sort(t,function(a,b) return a>b end) return table.concat(t,',')" 0
EVAL "return {unpack({1,2,3})}" 0
EVAL "return tostring(1e15)..tostring(0.1)..tostring(10)" 0
EVAL "local t={} for k in pairs(_G) do if k~='os' and k~='server' then t[#t+1]=k end end table.sort(t) return t" 0
EVAL "local t={} for k in pairs(redis) do t[#t+1]=k end table.sort(t) return t" 0
EVAL "return {tonumber('0x10'),tonumber('z',36),tonumber('1e1')}" 0
EVAL "return #tostring({})>5" 0
EVAL "return select('#',1,nil,nil)" 0
"#;

#[test]
fn libraries() {
    check(LIBRARIES);
}

const BESIDE: &str = r#"
MULTI
SET a 1
EVAL "return redis.call('incr',KEYS[1])" 1 a
EVAL "return redis.call('nosuch')" 0
EVALSHA nosuch 0
SCRIPT LOAD "return 2"
EXEC
MULTI
EVAL "return 1"
EXEC
WATCH a
EVAL "return redis.call('incr','a')" 0
MULTI
GET a
EXEC
EVAL "redis.call('select',3) redis.call('set','x',1) return redis.call('dbsize')" 0
GET x
DBSIZE
SELECT 3
GET x
SELECT 0
EVAL "return redis.call('keys','*')" 0
EVAL "return redis.call('flushall')" 0
EVAL "return redis.call('dbsize')" 0
@b !send BLPOP list 0
!blocked 1
EVAL "return redis.call('rpush',KEYS[1],'x','y')" 1 list
@b !read
@b !send BLPOP list2 0
!blocked 1
EVAL "redis.call('rpush','list2','x') return redis.call('lpop','list2')" 0
RPUSH list2 z
@b !read
EVAL "redis.call('set','e','v','px',1) return redis.call('exists','e')" 0
EVAL "redis.call('publish','c','m') return 1" 0
COMMAND GETKEYS EVAL "x" 2 a b c
COMMAND GETKEYS EVALSHA_RO x 1 a b
COMMAND INFO EVAL EVALSHA EVAL_RO EVALSHA_RO
{sorted} COMMAND INFO SCRIPT|LOAD
{fields number_of_cached_scripts} INFO memory
CONFIG RESETSTAT
EVAL "redis.call('set','k',1) redis.call('get','k') return redis.pcall('incr','list')" 0
EVALSHA nosuch 0
EVAL "return redis.call('incr','list')" 0
EVAL "error('x')" 0
EVAL "return {err='MINE x'}" 0
EVAL "return redis.call('nosuch')" 0
EVAL "return redis.call('get')" 0
EVAL "return redis.pcall('get')" 0
EVAL "return redis.call('multi')" 0
EVAL "return redis.call()" 0
EVAL "return redis.error_reply('MINE x')" 0
EVAL "return x" 0
EVAL_RO "return redis.call('set','k',1)" 0
EVAL "return +" 0
EVAL "redis.pcall('incr','list') return 1" 0
EVAL "return {redis.pcall('incr','list')}" 0
EVAL "return {redis.pcall('get'),redis.pcall('nosuch'),redis.pcall({})}" 0
EVAL "return {{err='x'},{err='MINE y'},{err='MINE z'}}" 0
EVAL "local e=redis.pcall('incr','list') e.err='OTHER z' return {e,e,{err='a'}}" 0
EVAL "return {1,{{map={a={err='E f'}}}}}" 0
EVAL "return {pcall(redis.call,'incr','list')}" 0
EVAL "error({err='P a',ignore_error_stats_update=true})" 0
EVAL "return {err='-x'}" 0
EVAL "return {err='-x y'}" 0
EVAL "return {err=''}" 0
EVAL "return {err='xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y'}" 0
EVAL "return {err='xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y'}" 0
{counts eval evalsha set get incr} INFO commandstats
INFO errorstats
"#;

#[test]
fn scripts_in_transactions_and_beside_other_commands() {
    check(BESIDE);
}

const MONITORS: &str = r#"
PING
@m MONITOR
EVAL "redis.call('set',KEYS[1],ARGV[1]) return redis.call('get','a b')" 1 k v
@m {monitor} !read
@m {monitor} !read
@m {monitor} !read
EVALSHA nosuch 0
@m {monitor} !read
EVAL "return redis.pcall('nosuch')" 0
@m {monitor} !read
SCRIPT LOAD "return 1"
@m {monitor} !read
MULTI
@m {monitor} !read
EVAL_RO "return redis.call('ping')" 0
EXEC
@m {monitor} !read
@m {monitor} !read
@m {monitor} !read
@m !silent
"#;

#[test]
fn monitors_see_scripts_and_what_they_call() {
    check(MONITORS);
}

#[test]
fn limits_that_have_another_name() {
    check_with(
        &[("lua-time-limit", "70")],
        "
CONFIG GET lua-time-limit
CONFIG GET busy-reply-threshold
CONFIG SET busy-reply-threshold 80
CONFIG GET lua-time-limit
CONFIG SET busy-reply-threshold -1
",
    );
}

/// What Redis 8 does differently: 7.0.15 rules. It calls commands that block, prints numbers shorter, and has put texts
/// right.
const OTHERS_IN_REDIS_8: [&str; 8] =
    ["HELP", "'blpop'", "'brpoplpush'", "'bzpopmin'", "'wait'", "1e20)", "redis.set_repl()", "redis.log(10,"];

#[test]
#[ignore = "needs redis 8: tests/run flows"]
fn scripts_beside_redis_8() {
    for script in [COMMANDS, FLAGS, VALUES, ERRORS, LIBRARIES, BESIDE, MONITORS] {
        let same = |line: &&str| !OTHERS_IN_REDIS_8.iter().any(|other| line.contains(other));
        let lines: Vec<&str> = script.lines().filter(same).collect();
        compare(Binary::Later("redis8"), &[], &lines.join("\n"));
    }
}

#[test]
fn sets_are_sorted_for_scripts() {
    check(
        r#"
SADD set d b a c e 007 10 9
EVAL "return redis.call('sort',KEYS[1],'by','nosort')" 1 set
EVAL "return redis.call('sort',KEYS[1],'by','nosort','desc')" 1 set
EVAL "return redis.call('sort',KEYS[1],'by','nosort','get','#','limit',2,3)" 1 set
EVAL "return redis.call('sort_ro',KEYS[1],'by','nosort')" 1 set
EVAL "return redis.call('sort',KEYS[1])" 1 set
RPUSH list d b a c
EVAL "return redis.call('sort',KEYS[1],'by','nosort')" 1 list
ZADD zset 3 d 1 b 2 a
EVAL "return redis.call('sort',KEYS[1],'by','nosort')" 1 zset
"#,
    );
}

#[test]
fn what_scripts_share_stays_as_it_is() {
    check(
        r#"
EVAL "local f,r=pairs(redis) r.call=function() return 'changed' end" 0
EVAL "return redis.call('ping')" 0
EVAL "local f,g=pairs(_G) g.extra=1" 0
EVAL "return rawget(_G,'extra')" 0
EVAL "local f,s=pairs(string) s.upper=nil" 0
EVAL "return ('x'):upper()" 0
EVAL "setmetatable(select(2,pairs(_G)),nil)" 0
EVAL "return extra" 0
EVAL "local f,m=pairs(getmetatable('')) m.__add=function() return 42 end" 0
EVAL "return pcall(function() return 'a'+'b' end)" 0
EVAL "local n=0 for k,v in pairs(math) do n=n+1 end return n" 0
EVAL "local f,r=pairs(redis) return {r==redis,type(f(r))}" 0
EVAL "local f,s,i=ipairs(redis) return s==redis" 0
EVAL "error(redis)" 0
EVAL "error(_G)" 0
EVAL "return rawget(_G,'line')" 0
"#,
    );
}

#[test]
fn scripts_read_streams_without_waiting() {
    check(
        r#"
CONFIG RESETSTAT
EVAL "return redis.call('xread','block',1,'streams','x',0)" 0
EVAL "return redis.call('XREAD','count','abc','block',1,'streams','x',0)" 0
EVAL "return redis.pcall('xreadgroup','group','g','c','block','abc','streams','x',0)" 0
EVAL "return redis.pcall('xread','block')" 0
EVAL "return redis.pcall('xread','streams','x','$')" 0
{counts xread xreadgroup eval} INFO commandstats
"#,
    );
}

#[test]
fn texts_of_errors_end_at_their_first_nul() {
    check(
        r#"
EVAL "return {err='A b\\0c'}" 0
EVAL "return {ok='a\\0b'}" 0
EVAL "error('a\\0b')" 0
EVAL "error({err='A b\\0c'})" 0
EVAL "return {pcall(error,'a\\0b')}" 0
EVAL "return redis.error_reply('A b\\0c')" 0
EVAL "return redis.status_reply('a\\0b')" 0
"#,
    );
}

#[test]
fn protected_calls_and_coroutines() {
    check(
        r#"
EVAL "return {xpcall(function() error('x') end, function(e) return e..'!' end)}" 0
EVAL "return {xpcall(function() redis.call('nosuch') end, function(e) return e.err end)}" 0
EVAL "return {xpcall(function() error('x') end, function() error('y') end)}" 0
EVAL "local n=0 xpcall(function() error('x') end, function() n=n+1 error('y') end) return n" 0
EVAL "xpcall(1)" 0
EVAL "local ok,e=xpcall(function() error('x') end, __redis__err__handler) return {ok,e.err,e.source,e.line}" 0
EVAL "local c=coroutine.wrap(function(a) while true do a=coroutine.yield(a+1) end end) return {c(1),c(2),c(3)}" 0
EVAL "coroutine.wrap(function() error('x') end)()" 0
EVAL "coroutine.wrap(function() redis.call('nosuch') end)()" 0
EVAL "return {coroutine.resume(coroutine.create(function() return redis.call('ping') end))}" 0
EVAL "local d,f=0 f=function() d=d+1 return coroutine.wrap(f)() end pcall(f) return d" 0
EVAL "return {load(function() error('x') end)}" 0
EVAL "return {collectgarbage(), collectgarbage('step',1e6), collectgarbage('setpause',200)}" 0
EVAL "local t={1,2,3,4} return {table.remove(t,2),t,table.remove(t),#t}" 0
EVAL "return {('aB'):upper(),('aB'):lower(),('aB'):reverse()}" 0
"#,
    );
}

#[test]
fn results_that_nest() {
    check(
        r#"
EVAL "local t={1} for i=1,300 do t={t} end return t" 0
EVAL "local t={} for i=1,3000 do t[i]={i,{ok='x'},{err='E y'},{double=1.5}} end return t" 0
"#,
    );
}
