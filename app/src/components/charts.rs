//! Charts as server-rendered SVG; each stands beside a table with the same numbers.
