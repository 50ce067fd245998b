//! One palette for everything: Okabe and Ito's eight colours (2008), which colour-blind readers tell apart, and viridis.

/// The rules of all figures, written with CSS variables.
pub(crate) const FIGURE_STYLE: &str = include_str!("../assets/figure.css");

/// Name, value on white and value on black of each CSS variable.
const VARIABLES: [(&str, &str, &str); 14] = [
    ("--background", "#ffffff", "#16181b"),
    ("--surface", "#f4f5f7", "#22252a"),
    ("--text", "#1b1c1e", "#e8e9eb"),
    ("--muted", "#55585e", "#b4b8bf"),
    ("--grid", "#dddfe3", "#393d44"),
    ("--axis", "#6c7077", "#8f949c"),
    // Lighter on black, where thin lines would hardly be seen, and so is the sky, to stay apart; cells of a matrix stay dark under
    // light text.
    ("--blue", "#0072b2", "#3f9fd8"),
    ("--heat", "#0072b2", "#0072b2"),
    ("--orange", "#e69f00", "#e69f00"),
    ("--green", "#009e73", "#009e73"),
    ("--purple", "#cc79a7", "#cc79a7"),
    ("--vermillion", "#d55e00", "#d55e00"),
    ("--sky", "#56b4e9", "#b5e2ff"),
    ("--yellow", "#f0e442", "#f0e442"),
];

/// The figures' rules with the colours for white paper, as a file needs them.
pub(crate) fn fixed_style() -> String {
    VARIABLES
        .iter()
        .fold(FIGURE_STYLE.to_owned(), |style, (name, light, _)| style.replace(&format!("var({name})"), light))
}

/// The CSS variables of a page, light or dark as the reader has chosen.
pub(crate) fn page_variables() -> String {
    let rules = |value: fn(&(&str, &'static str, &'static str)) -> &'static str| {
        VARIABLES.iter().map(|variable| format!("{}:{};", variable.0, value(variable))).collect::<String>()
    };
    let (light, dark) = (rules(|variable| variable.1), rules(|variable| variable.2));
    format!(
        ":root{{color-scheme:light dark;{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n\
         @media print{{:root{{{light}}}}}\n"
    )
}

/// 256 colours, `[red, green, blue]`.
pub(crate) type ColourMap = [[u8; 3]; 256];

/// Returns viridis (van der Walt and Smith, 2015): perceptually uniform, and rising in lightness in print without colour.
pub(crate) fn viridis() -> ColourMap {
    let bytes = include_bytes!("../assets/viridis.rgb");
    std::array::from_fn(|index| [bytes[3 * index], bytes[3 * index + 1], bytes[3 * index + 2]])
}

/// Returns greys from nearly white to nearly black, as spectrograms are printed.
pub(crate) fn greys() -> ColourMap {
    std::array::from_fn(|index| [(245 - index * 200 / 255) as u8; 3])
}
