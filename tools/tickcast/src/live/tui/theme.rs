//! Colours, or none.

use std::env;

use ratatui::style::{Color, Modifier, Style};

/// How things look. Without colours the words alone say what is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) colours: bool,
}

impl Theme {
    /// Without colours if `NO_COLOR` is set to anything.
    pub(super) fn from_environment() -> Theme {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Theme { colours: !unwanted }
    }

    /// Headings.
    pub(super) fn title(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Names of columns and rows.
    pub(super) const fn name(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What is as it should be.
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    /// What deserves a look.
    pub(super) fn notice(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// What is wrong.
    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Something that should be nothing.
    pub(super) fn unless_zero(self, count: u64) -> Style {
        if count == 0 {
            Style::new()
        } else {
            self.notice()
        }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }
}
