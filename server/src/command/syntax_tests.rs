//! Each rule of the syntax by one command of Redis that needs it.

use super::*;

fn only(text: &str) -> Argument<'_> {
    let mut arguments = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(arguments.len(), 1, "{text}");
    arguments.remove(0)
}

#[test]
fn nothing_is_no_arguments() {
    assert_eq!(parse(""), Ok(Vec::new()));
}

#[test]
fn plain_arguments_have_a_name_and_a_type() {
    let arguments = parse("key:key seconds:integer at:unix-time").expect("three arguments");
    let seen: Vec<_> = arguments.iter().map(|argument| (&*argument.name, argument.ty.name())).collect();
    assert_eq!(seen, [("key", "key"), ("seconds", "integer"), ("at", "unix-time")]);
}

#[test]
fn the_type_follows_the_last_colon() {
    let argument = only("ip:port:string!2.8.12");
    assert_eq!((&*argument.name, argument.ty, argument.deprecated_since), ("ip:port", ArgType::String, Some("2.8.12")));
}

#[test]
fn a_literal_is_lower_case_as_a_name_and_upper_case_as_a_token() {
    for text in ["['get@6.2.0]", "['GET@6.2.0]"] {
        let argument = only(text);
        assert_eq!((&*argument.name, argument.token.as_deref(), argument.ty), ("get", Some("GET"), ArgType::PureToken));
        assert!(argument.optional);
        assert_eq!(argument.since, Some("6.2.0"));
    }
}

#[test]
fn a_choice_holds_its_members() {
    let argument = only("[condition:<'nx|'xx>@7.0.0]");
    assert_eq!((argument.ty, argument.optional, argument.since), (ArgType::OneOf, true, Some("7.0.0")));
    let names: Vec<_> = argument.arguments.iter().map(|member| &*member.name).collect();
    assert_eq!(names, ["nx", "xx"]);
}

#[test]
fn a_block_repeats_with_or_without_its_token() {
    let block = only("key_value:{key:key value:string}+");
    assert_eq!(
        (block.ty, block.multiple, block.multiple_token, block.arguments.len()),
        (ArgType::Block, true, false, 2)
    );
    let prefix = only("[PREFIX=prefix:string++]");
    assert!(prefix.multiple && prefix.multiple_token && prefix.optional);
    assert_eq!(prefix.token.as_deref(), Some("PREFIX"));
}

#[test]
fn a_token_may_be_empty_or_differ_from_the_literal() {
    let choice = only("key_or_empty_string:<key:key|\"\"='empty_string>");
    assert_eq!((&*choice.arguments[1].name, choice.arguments[1].token.as_deref()), ("empty_string", Some("")));
    let alpha = only("[ALPHA='sorting]");
    assert_eq!((&*alpha.name, alpha.token.as_deref(), alpha.ty), ("sorting", Some("ALPHA"), ArgType::PureToken));
}

#[test]
fn optional_members_may_stand_inside_choices() {
    let text = "filter:<old:string|new-format:<[ID=client-id:integer@2.8.12]|[SKIPME=yes/no:string]>+>";
    let filter = only(text);
    let new_format = &filter.arguments[1];
    assert!(new_format.multiple);
    assert_eq!(&*new_format.arguments[1].name, "yes/no");
    assert!(new_format.arguments[0].optional);
}

#[test]
fn mistakes_are_found_at_their_place() {
    for (text, at) in [
        ("key", 0),
        ("key:bogus", 0),
        ("key:key  value:string", 8),
        ("[key:key", 8),
        ("a:<'x|'y", 8),
        ("a:{b:key", 8),
        ("a:key]", 5),
        (":key", 0),
        ("'", 0),
        ("X='", 2),
        ("a:key@", 6),
        ("a:key<b:key>", 0),
        ("a:key ", 6),
    ] {
        assert_eq!(parse(text), Err(SyntaxError(at)), "{text}");
    }
}
