//! Checks that people's text contains nothing hidden.
//!
//! Control characters and characters that reverse text can show a reader something different from what a program reads, for example in
//! the name of a file or a course. <https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>

/// The trimmed text if it is one line of at most `max` characters; `None` if it shows nothing, is
/// too long, or contains hidden characters or characters that change its direction.
#[must_use]
pub fn line(text: &str, max: usize) -> Option<&str> {
    let text = text.trim();
    let sound = shows(text) && text.chars().count() <= max && !text.chars().any(|letter| is_hidden(letter) || turns(letter));
    sound.then_some(text)
}

/// Whether text has no direction overrides and no control characters except tabs and line breaks, and shows something unless it is blank.
/// Direction marks and isolates are allowed: text that mixes Hebrew or Arabic with formulas needs them.
#[must_use]
pub fn is_sound(text: &str) -> bool {
    let is_control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    (text.trim().is_empty() || shows(text)) && !text.chars().any(|letter| is_control(letter) || overrides(letter))
}

/// Whether a reader sees anything of it.
fn shows(text: &str) -> bool {
    !text.chars().all(|letter| is_hidden(letter) || turns(letter) || is_blank(letter))
}

/// Directional embeddings and overrides.
fn overrides(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}')
}

/// Characters that change the direction of the text after them.
fn turns(letter: char) -> bool {
    overrides(letter) || matches!(letter, '\u{2066}'..='\u{2069}')
}

/// Control characters, line and paragraph separators, and invisible characters. Joiners are allowed: Persian, Indic and emoji need them.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}')
        || matches!(letter, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
}

/// Characters that show nothing by themselves: spaces, and those that fill or join others. Text may contain them, but not consist of them.
/// <https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>
fn is_blank(letter: char) -> bool {
    letter.is_whitespace()
        // Joiners and direction marks.
        || matches!(letter, '\u{34f}' | '\u{61c}' | '\u{200c}'..='\u{200f}')
        // Hangul fillers, Khmer inherent vowels, the blank Braille pattern, the null notehead.
        || matches!(letter, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{1d159}')
        // Variation selectors, tags, and the format controls of shorthand and music.
        || matches!(letter, '\u{180b}'..='\u{180f}' | '\u{2065}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fff8}')
        || matches!(letter, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_it_looks_like() {
        for good in ["Rust", " Rust ", "数学 🦀", "می\u{200c}خواهم", "\u{2800}⠃\u{2800}⠗", "ᄒ\u{1160}", "👩\u{200d}🔬", "שלום"]
        {
            assert_eq!(line(good, 20), Some(good.trim()), "{good:?}");
        }
        let blank = ["\u{3164}", "\u{2800}\u{2800}", "\u{115f}\u{1160}", "\u{ffa0} \u{3164}", "\u{200d}\u{fe0f}", "\u{e0020}", "\u{200e}"];
        for bad in blank {
            assert_eq!(line(bad, 20), None, "{bad:?}");
            assert!(!is_sound(bad), "{bad:?}");
        }
        for bad in ["", "  ", "two\nlines", "fdp\u{202e}exe.", "a\u{2067}b", "a\u{200b}b", "a\u{0}b", "a\u{2028}b", &"x".repeat(21)] {
            assert_eq!(line(bad, 20), None, "{bad:?}");
        }
    }

    #[test]
    fn text_has_lines_and_no_overrides() {
        assert!(is_sound("") && is_sound(" \n"));
        assert!(is_sound("# One\r\n\n\tcode\u{200f}\u{2067}x\u{2069}"));
        for bad in ["\u{0}", "\u{1b}[31m", "\u{202e}", "\u{202a}", "\u{85}"] {
            assert!(!is_sound(bad), "{bad:?}");
        }
    }
}
