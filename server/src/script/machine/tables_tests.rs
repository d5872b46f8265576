//! What visits a whole table: its results beside those of Lua's own functions, and that it can be stopped.

use crate::script::libs::testing::{check, check_pauses};

#[test]
fn tables_are_sorted_as_lua_sorts_them() {
    // The order of equal elements is that of Redis 7.0.15.
    check(&[
        ("(function() local t={3,1,2} table.sort(t) return t end)()", "true {1=1,2=2,3=3}"),
        (
            "(function() local t={'b','a','a\\0b','a\\0','','B'} table.sort(t) return table.concat(t,'|') end)()",
            "true \"|B|a|a\\000|a\\000b|b\"",
        ),
        ("(function() local t={} table.sort(t) table.sort({1}) return #t end)()", "true 0"),
        ("table.sort({1,'x'})", "false \"attempt to compare string with number\""),
        ("table.sort({1,2,{}})", "false \"attempt to compare table with number\""),
        ("table.sort({true,false})", "false \"attempt to compare two boolean values\""),
        ("table.sort()", "false \"user_script:17: bad argument #1 to 'sort' (table expected, got no value)\""),
        ("table.sort({},1)", "false \"user_script:17: bad argument #2 to 'sort' (function expected, got number)\""),
        (
            "table.sort({3,1,2,5,4},function() return true end)",
            "false \"user_script:17: invalid order function for sorting\"",
        ),
    ]);
}

#[test]
fn what_is_sorted_by_ours_is_as_sorted_by_lua() {
    // The same comparison by a function of the script's, which makes Lua sort, and by values with a metamethod.
    let source = "(function() local seed=7 local function random(n) seed=(seed*16807)%2147483647 return seed%n+1 end \
        for round=1,300 do local a,b,c={},{},{} local n,kinds=random(60),random(20) \
        for i=1,n do local x=random(kinds) a[i]=x b[i]=x c[i]=tostring(x+100) end \
        table.sort(a) table.sort(b,function(x,y) return x<y end) table.sort(c) \
        for i=1,n do if a[i]~=b[i] or c[i]~=tostring(a[i]+100) then return round end end end return 'same' end)()";
    check(&[(source, "true \"same\"")]);
    let stable = "(function() local seed=7 local function random(n) seed=(seed*16807)%2147483647 return seed%n+1 end \
        local less={__lt=function(x,y) return x.key<y.key end} \
        for round=1,300 do local a,b={},{} local n,kinds=random(60),random(8) \
        for i=1,n do local x=setmetatable({key=random(kinds)},less) a[i]=x b[i]=x end \
        table.sort(a) table.sort(b,function(x,y) return x.key<y.key end) \
        for i=1,n do if a[i]~=b[i] then return round end end end return 'same' end)()";
    check(&[(stable, "true \"same\"")]);
}

#[test]
fn tables_are_visited_as_lua_visits_them() {
    check(&[
        ("table.maxn({1,2,[7.5]=1,x=1})", "true 7.5"),
        ("table.maxn({})", "true 0"),
        ("table.maxn()", "false \"user_script:17: bad argument #1 to 'maxn' (table expected, got no value)\""),
        ("table.foreach({5,6},function(k,v) if k==2 then return v end end)", "true 6"),
        ("table.foreach({a=1},rawequal)", "true false"),
        ("table.foreach({},rawequal)", "true"),
        ("table.foreachi({5,6},tostring)", "true \"1\""),
        ("table.foreachi({5,6,7},function(k,v) if k==3 then return v end end)", "true 7"),
        (
            "table.foreach({},1)",
            "false \"user_script:17: bad argument #2 to 'foreach' (function expected, got number)\"",
        ),
    ]);
}

#[test]
fn what_visits_a_table_pauses() {
    check_pauses(&[
        ("local t={} for i=1,30000 do t[i]=-i end table.sort(t)", 60),
        (
            "local s={} for i=1,30 do s[i]=string.rep('x',100000)..i end local t={} for i=1,1000 do t[i]=s[i%30+1] end \
             table.sort(t)",
            1000,
        ),
        ("local t={} for i=1,30000 do t[i]=i end table.sort(t,rawequal)", 60),
        (
            "local x={} for i=1,1000 do x[{}]=1 end local n={} for i=1,100 do local k={} for e in pairs(x) do k[e]=1 end \
             n[k]=unpack end for i=1,20 do table.foreach(n,table.foreach) end",
            300,
        ),
        ("local t={} for i=1,100000 do t[i]=i end for i=1,50 do table.maxn(t) end", 200),
    ]);
}
