//! Groups of instruments, as they are named on the command line.

use tickcast_subscriber::{InstrumentGroups, MAX_GROUPS};
use tickcast_wire::Symbol;

/// What the group of all other instruments is called.
const OTHERS: &str = "others";
/// A longer name would not fit a table.
const LONGEST_NAME: usize = 12;
/// A longer symbol is none.
const LONGEST_SYMBOL: usize = 16;
/// Symbols that a statement names; it counts the rest.
const NAMED: usize = 5;

/// A group of instruments: its name and its symbols.
#[derive(Clone, Debug)]
pub(super) struct NamedGroup {
    name: String,
    symbols: Vec<Symbol>,
}

impl NamedGroup {
    /// Parses `NAME=SYMBOL,…`.
    pub(super) fn parse(text: &str) -> Result<NamedGroup, String> {
        let (name, symbols) = text
            .split_once('=')
            .ok_or("expected a name and symbols, as in index=ES,NQ")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
            return Err(format!(
                "a name has 1 to {LONGEST_NAME} letters, digits, - or _"
            ));
        }
        if name == OTHERS {
            return Err(format!(
                "`{OTHERS}` is the group of all that are in no group"
            ));
        }
        let symbol = |text: &str| match text.trim() {
            "" => Err("a symbol is empty".to_owned()),
            text if text.len() > LONGEST_SYMBOL => Err(format!(
                "symbol `{text}` has more than {LONGEST_SYMBOL} bytes"
            )),
            text => Ok(Symbol::new(text.as_bytes())),
        };
        Ok(NamedGroup {
            name: name.to_owned(),
            symbols: symbols.split(',').map(symbol).collect::<Result<_, _>>()?,
        })
    }
}

/// All groups of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// With that of all others; none when there are no groups.
    names: Vec<String>,
    instruments: InstrumentGroups,
}

impl Groups {
    /// Puts the groups together.
    ///
    /// # Errors
    /// When there are too many, or a name or a symbol comes twice.
    pub(super) fn new(groups: &[NamedGroup]) -> anyhow::Result<Groups> {
        let mut names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
        for (nth, name) in names.iter().enumerate() {
            anyhow::ensure!(!names[..nth].contains(name), "two groups are named {name}");
        }
        let symbols: Vec<Vec<Symbol>> = groups.iter().map(|group| group.symbols.clone()).collect();
        let instruments = InstrumentGroups::new(&symbols)?;
        if !names.is_empty() {
            names.push(OTHERS.to_owned());
        }
        Ok(Groups { names, instruments })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn instruments(&self) -> InstrumentGroups {
        self.instruments.clone()
    }

    /// What must be known of groups whose instruments never came, or had no ticks: those of each
    /// group are counted.
    pub(super) fn statements(&self, ticks: &[u64]) -> Vec<String> {
        let undefined: Vec<(usize, Symbol)> = self.instruments.undefined().collect();
        let groups = self.names.iter().take(MAX_GROUPS).enumerate();
        let statements = groups.filter_map(|(nth, name)| {
            let mine = undefined.iter().filter(|(group, _)| *group == nth);
            let mine: Vec<String> = mine.map(|(_, symbol)| symbol.to_string()).collect();
            let shown = mine[..mine.len().min(NAMED)].join(", ");
            let more = match mine.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            if !mine.is_empty() {
                let what = "no instrument was defined by the symbols";
                return Some(format!("group {name}: {what} {shown}{more}"));
            }
            (ticks.get(nth) == Some(&0)).then(|| {
                format!("group {name}: no tick of its instruments came while it was measured")
            })
        });
        statements.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(texts: &[&str]) -> Result<Groups, String> {
        let parsed: Result<Vec<_>, _> = texts.iter().map(|text| NamedGroup::parse(text)).collect();
        Groups::new(&parsed?).map_err(|error| error.to_string())
    }

    #[test]
    fn groups_have_names_and_symbols() {
        let some = groups(&["index=ES, NQ", "rates=ZN"]).unwrap();
        assert_eq!(some.names(), ["index", "rates", "others"]);
        assert_eq!(some.instruments().count(), 3);
        assert_eq!(
            some.statements(&[0, 0, 5]),
            [
                "group index: no instrument was defined by the symbols ES, NQ",
                "group rates: no instrument was defined by the symbols ZN"
            ]
        );
        let many = groups(&["many=A,B,C,D,E,F,G"]).unwrap();
        assert!(many.statements(&[0, 5])[0].ends_with("A, B, C, D, E and 2 more"));
        let none = groups(&[]).unwrap();
        assert_eq!((none.names().len(), none.instruments().count()), (0, 0));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (texts, why) in [
            (&["ES,NQ"][..], "a name and symbols"),
            (&["=ES"], "1 to 12 letters"),
            (&["a,b=ES"], "1 to 12 letters"),
            (&["thirteen-long=ES"], "1 to 12 letters"),
            (&["others=ES"], "`others` is the group of all"),
            (&["index="], "a symbol is empty"),
            (&["index=ES,,NQ"], "a symbol is empty"),
            (&["index=ABCDEFGHIJKLMNOPQ"], "more than 16 bytes"),
            (&["index=ES", "index=NQ"], "two groups are named index"),
            (
                &["index=ES", "rates=ES"],
                "symbol ES is in two groups, or twice in one",
            ),
        ] {
            let said = groups(texts).expect_err("it is wrong");
            assert!(said.contains(why), "{texts:?}: {said}");
        }
    }
}
