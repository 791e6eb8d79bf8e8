//! A config as a flat list of named values, for people: leaderboard, report, exports.
