//! Functions: libraries, what their code may do when they are loaded, and calls.

use integration::oracle::Binary;

use crate::{check, compare};

const LIBRARIES: &str = r##"
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=a\nredis.register_function('f1', function(k,a) return 'x' end)"
FUNCTION LOAD "#!lua name=a\nredis.register_function('f1', function(k,a) return 'x' end)"
FUNCTION LOAD "#!lua name=b\nredis.register_function('F1', function(k,a) return 'x' end)"
FUNCTION LOAD REPLACE "#!lua name=a\nredis.register_function('f2', function(k,a) return 'y' end)"
FUNCTION LOAD replace REPLACE "#!lua name=a\nredis.register_function('f2', function(k,a) return 'y' end)"
FUNCTION LOAD FOO "#!lua name=a\nredis.register_function('f2', function(k,a) return 'y' end)"
FUNCTION LOAD REPLACE
FUNCTION LOAD
FCALL f1 0
FCALL f2 0
FCALL F2 0
FUNCTION LIST
FUNCTION LIST WITHCODE
FUNCTION LIST LIBRARYNAME a*
FUNCTION LIST LIBRARYNAME b withcode
FUNCTION LIST libraryname A withcode
FUNCTION LIST WITHCODE WITHCODE
FUNCTION LIST LIBRARYNAME
FUNCTION LIST LIBRARYNAME a LIBRARYNAME b
FUNCTION LIST x
FUNCTION STATS
FUNCTION KILL
FUNCTION DUMP
!let dump FUNCTION DUMP
FUNCTION RESTORE $dump
FUNCTION RESTORE $dump APPEND
FUNCTION RESTORE $dump replace
FUNCTION RESTORE $dump FLUSH
FUNCTION RESTORE $dump x
FUNCTION RESTORE $dump FLUSH x
FUNCTION RESTORE x
FUNCTION RESTORE ""
FUNCTION DELETE b
FUNCTION DELETE a
FUNCTION DELETE a
FUNCTION DELETE
FUNCTION LIST
FUNCTION RESTORE $dump
FUNCTION LIST
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=c\nredis.register_function('f2', function(k,a) return 'y' end)"
FUNCTION RESTORE $dump
FUNCTION RESTORE $dump REPLACE
FUNCTION LIST
FUNCTION FLUSH x
FUNCTION FLUSH ASYNC SYNC
FUNCTION FLUSH ASYNC
FUNCTION DUMP
FUNCTION HELP
FUNCTION
FUNCTION nosuch
FLUSHALL
MULTI
FUNCTION LOAD "#!lua name=a\nredis.register_function('f1', function(k,a) return redis.call('incr',k[1]) end)"
FCALL f1 1 n
FUNCTION LIST
FUNCTION DELETE a
FCALL f1 1 n
EXEC
FUNCTION LOAD "#!lua name=a\nredis.register_function('f1', function(k,a) return redis.call('incr',k[1]) end)"
FLUSHALL
FCALL f1 1 n
FUNCTION FLUSH
COMMAND INFO FCALL FCALL_RO
COMMAND GETKEYS FCALL f 2 a b c
{fields number_of_functions number_of_libraries} INFO memory
"##;

#[test]
fn the_commands_about_libraries() {
    check(LIBRARIES);
}

fn first_lines() -> String {
    [
        "",
        "x",
        "#!lua",
        r"#!lua\n",
        "#!lua name=l",
        r"#!lua name=l\n",
        r"#!lua name=l\nreturn 1",
        r"#!lua name=l foo=bar\nreturn 1",
        r"#!lua name=l name=m\n",
        r"#!lua name=a-b\n",
        r"#!lua name=\n",
        r"#!js name=a\nx",
        r"#!\n",
        r"#! name=x\n",
        r"#!lua name=l name\n",
        r"#!lua  foo\n",
        r"#!lua nameless=x\n",
        r"#!lua name=a;\n",
        r" #!lua name=l\n",
        r"#!lua name='l'\nredis.register_function('a',redis.log)",
        r#"#!lua name=l\"\n"#,
        r"#!lua  name=l\nredis.register_function('a',redis.log)",
        r"#!LUA name=l\nredis.register_function('a',redis.log)",
        r"#!lua NAME=l\nredis.register_function('a',redis.log)",
        r"#!lua name=l\r\nredis.register_function('a',redis.log)",
    ]
    .iter()
    .map(|code| format!("FUNCTION FLUSH\nFUNCTION LOAD \"{code}\"\n"))
    .collect()
}

#[test]
fn first_lines_of_libraries() {
    check(&first_lines());
}

/// Loads each code as a library, and calls its function `a`.
fn codes(codes: &[&str]) -> String {
    let calls = "SET k 5\nFCALL a 1 k x\nFCALL_RO a 1 k x\nFUNCTION LIST\nFUNCTION DUMP\n";
    let load = |code: &&str| format!("FUNCTION FLUSH\nFUNCTION LOAD \"#!lua name=l\\n{code}\"\n{calls}");
    codes.iter().map(load).collect()
}

const LOADED: &[&str] = &[
    "return 1 +",
    "error('x')",
    "redis.call('ping')",
    "x=1",
    "return y",
    "redis.x=1",
    "local t={} t.a.b=1",
    "_G.x=1",
    "redis.setresp(3)",
    "pcall(redis.register_function,'a-b',function() end)",
    "while true do end",
    "redis.register_function()",
    "redis.register_function(1)",
    "redis.register_function('a')",
    "redis.register_function('a',1)",
    "redis.register_function(1,function() end)",
    "redis.register_function(1.5,function() end)",
    "redis.register_function({},redis.log)",
    "redis.register_function(nil,redis.log)",
    "redis.register_function('a-b',function() end)",
    "redis.register_function('',function() end)",
    "redis.register_function('a',function() end,1)",
    "redis.register_function{}",
    "redis.register_function{function_name='a'}",
    "redis.register_function{callback=function() end}",
    "redis.register_function{function_name=1,callback=function() end}",
    "redis.register_function{function_name={},callback=function() end}",
    "redis.register_function{function_name='a',callback=1}",
    "redis.register_function{function_name='a',callback=function() end,x=1}",
    "redis.register_function{function_name='a',callback=function() end,[1]=1}",
    "redis.register_function{function_name='a',callback=function() end,flags=1}",
    "redis.register_function{function_name='a',callback=function() end,flags={'x'}}",
    "redis.register_function{function_name='a',callback=function() end,flags={1}}",
    "redis.register_function{function_name='a',callback=function() end,flags={'no-writes'},description='d'}",
    "redis.register_function{function_name='a',callback=function() end,flags={x='no-writes'}}",
    "redis.register_function{FUNCTION_NAME='a',CALLBACK=function() return 1 end,FLAGS={'allow-stale','allow-oom'}}",
    "redis.register_function{function_name='a',callback=function() end,description=1}",
    "redis.register_function{function_name='a',callback=function() end,description={}}",
    "redis.register_function('a',function() end) redis.register_function('a',function() end)",
    "redis.register_function('a', redis.log)",
    "redis.log(redis.LOG_WARNING,'x') redis.register_function('a', function() end)",
];

#[test]
fn what_a_library_may_do_when_it_is_loaded() {
    check(&codes(LOADED));
}

const CALLED: &[&str] = &[
    "redis.register_function('a', function(k,a) return {#k,#a,k[1],a[1],k[2]} end)",
    "redis.register_function('a', function(k,a) k[1]='y' return {k[1],select('#',k,a)} end)",
    "redis.register_function('a', function() return KEYS end)",
    "redis.register_function('a', function() x=5 end)",
    "redis.register_function('a', function() error('x') end)",
    "redis.register_function('a', function() error({err='E x'}) end)",
    "redis.register_function('a', function() return {err='x'} end)",
    "\\n\\nredis.register_function('a', function() return redis.call('incr') end)",
    "redis.register_function('a', function() return redis.pcall('incr') end)",
    "redis.register_function('a', function() return redis.call('eval','return 1',0) end)",
    "redis.register_function('a', function() return redis.call('fcall','a',0) end)",
    "redis.register_function('a', function() return redis.call('function','list') end)",
    "redis.register_function('a', function(k) return redis.call('set',k[1],'v') end)",
    "redis.register_function{function_name='a',callback=function(k) return redis.call('get',k[1]) end,flags={'no-writes'}}",
    "redis.register_function{function_name='a',callback=function(k) return redis.call('set',k[1],1) end,flags={'no-writes'}}",
    "redis.register_function{function_name='a',callback=function(k) return redis.call('set','z',1) end,flags={'allow-cross-slot-keys'}}",
    "redis.register_function('a', function() return redis.register_function('b',function() end) end)",
    "local r=redis redis.register_function('a', function() return r.register_function('b',function() end) end)",
    "local r=redis redis.register_function('a', function() return r.call('ping') end)",
    "local r=redis redis.register_function('a', function() local u={} for k in pairs(r) do u[#u+1]=k end table.sort(u) return u end)",
    "redis.register_function('a', function() local u={} for k in pairs(redis) do u[#u+1]=k end table.sort(u) return u end)",
    "redis.register_function('a', function() return loadstring('return redis.call(\\\"ping\\\")')() end)",
    "redis.register_function('a', function() redis.setresp(3) return redis.call('get','none') end)",
    "local x=('x'):rep(3) redis.register_function('a', function() return x end)",
    "local n=0 redis.register_function('a', function() n=n+1 return n end)",
    "redis.register_function('a', function() return cjson.encode({1}) end)",
];

#[test]
fn what_functions_find_and_return() {
    check(&codes(CALLED));
}

const CALLS: &str = r##"
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=l\nredis.register_function('f', function(k,a) return {#k,#a} end)"
FCALL f 0
FCALL f 1 a b c
FCALL f x
FCALL f -1
FCALL f 3 a b
FCALL f
FCALL nosuch x
FCALL_RO f 0
EVAL "return redis.register_function" 0
EVAL "return redis.call('fcall','f',0)" 0
EVAL "return redis.pcall('function','list')" 0
PING
@m MONITOR
FCALL f 1 k v
@m {monitor} !read
FCALL nosuch 0
@m {monitor} !read
FUNCTION FLUSH
@m {monitor} !read
"##;

#[test]
fn calls_of_functions() {
    check(CALLS);
}

#[test]
#[ignore = "needs redis 8: tests/run flows"]
fn functions_beside_redis_8() {
    for script in [LIBRARIES.to_owned(), first_lines(), codes(LOADED), codes(CALLED), CALLS.to_owned()] {
        // A payload tells the version of its server, and texts of help have changed.
        let script = script
            .replace("\nFUNCTION HELP", "")
            .replace("\nFUNCTION DUMP", "\n{any} FUNCTION DUMP")
            .replace("\n!let", "\n{any} !let");
        compare(Binary::Later("redis8"), &[], &script);
    }
}
