//! Settings from the environment, laid over those of the file.

/// Lays `REUNITE_SECTION_NAME=value` over the file's table. `REUNITE_DATA` is the data folder and no setting.
pub(super) fn overlay(
    table: &mut toml::Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), String> {
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix("REUNITE_").filter(|rest| *rest != "DATA" && *rest != "LOG") else {
            continue;
        };
        let Some((section, name)) = rest.split_once('_') else {
            return Err(format!("`{variable}` names no setting; write REUNITE_SECTION_NAME"));
        };
        let section = table.entry(section.to_lowercase()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(section) = section.as_table_mut() else {
            return Err(format!("`{variable}` names no setting; write REUNITE_SECTION_NAME"));
        };
        section.insert(name.to_lowercase(), typed(value));
    }
    Ok(())
}

/// A variable's text as the kind of value it looks like.
fn typed(text: String) -> toml::Value {
    match (text.parse::<i64>(), text.parse::<bool>()) {
        // A mode such as "644" looks like a number and is given in quotes, as in the file.
        (Ok(number), _) => toml::Value::Integer(number),
        (_, Ok(truth)) => toml::Value::Boolean(truth),
        _ => toml::Value::String(text.trim_matches('"').to_owned()),
    }
}
