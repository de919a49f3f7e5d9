//! Matches paths against all patterns at once, with a bound on the work.
//!
//! Patterns come from unknown authors. Engines that are linear in a path take, for each of its
//! bytes, up to the size of all patterns: 28 seconds for 96 KB of them. So this one counts its
//! steps, and gives up. It needs few of them because the paths of a model begin alike:
//!
//! ```text
//! paths, sorted      l.0.q   l.0.v   l.1.q
//! kept               the states of the automaton after `l.`, while paths begin with it,
//!                    and after `l.0.`, while paths begin with it
//! one step           a state is looked at for one byte of a path
//! ```
//!
//! 15,360 patterns, one for each expert of 60 layers of 256, leave 15,360 states open after
//! `model.layers.`, but 256 after `model.layers.3.` and one after the expert's number.

use std::collections::BTreeSet;
use std::mem::{replace, take};

use regex_automata::nfa::thompson::{Compiler, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;

/// Most steps: about two seconds. Real models need up to 20 million.
const MOST_STEPS: usize = 1 << 27;
/// What it costs to keep a state, in steps. It takes 4 bytes, so all take at most 32 MB.
const KEEPING: usize = 16;

/// The work reached its bound.
#[derive(Debug, PartialEq)]
pub(super) struct TooMuchWork;

/// Patterns, ready to match whole paths.
#[derive(Clone, Debug)]
pub(super) struct Automaton(NFA);

impl Automaton {
    /// Compiles patterns into at most `most_bytes`. The error is the compiler's message.
    pub fn new(patterns: &[Hir], most_bytes: usize) -> Result<Automaton, String> {
        let config = NFA::config().which_captures(WhichCaptures::None).nfa_size_limit(Some(most_bytes));
        let built = Compiler::new().configure(config).build_many_from_hir(patterns);
        built.map(Automaton).map_err(|error| error.to_string())
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.0.memory_usage()
    }

    /// Calls `found` with each path that is matched as a whole, and with the numbers of the
    /// patterns that match it, in ascending order.
    pub fn each_match<'a>(
        &self,
        paths: &BTreeSet<&'a str>,
        found: impl FnMut(&'a str, &[usize]),
    ) -> Result<(), TooMuchWork> {
        Walk::new(&self.0).each_match(paths, found)
    }
}

/// The states that a prefix of a path leads to.
struct Kept {
    prefix_bytes: usize,
    states: Vec<StateID>,
}

/// A walk of many paths through the automaton.
struct Walk<'n> {
    nfa: &'n NFA,
    kept: Vec<Kept>,
    steps_left: usize,
    /// The patterns that match the last path.
    matched: Vec<usize>,
    /// For each state, the last round in which it was looked at. A byte is a round. Each round has
    /// a step, so there are fewer than `MOST_STEPS`.
    seen: Vec<u32>,
    round: u32,
    /// States to look at in this round.
    open: Vec<StateID>,
}

impl<'n> Walk<'n> {
    fn new(nfa: &'n NFA) -> Walk<'n> {
        Walk {
            nfa,
            kept: Vec::new(),
            steps_left: MOST_STEPS,
            matched: Vec::new(),
            seen: vec![0; nfa.states().len()],
            round: 0,
            open: Vec::new(),
        }
    }

    fn each_match<'a>(
        &mut self,
        paths: &BTreeSet<&'a str>,
        mut found: impl FnMut(&'a str, &[usize]),
    ) -> Result<(), TooMuchWork> {
        let mut last = "";
        for &path in paths {
            self.forget_all_but(last, path);
            self.follow(path.as_bytes())?;
            if !self.matched.is_empty() {
                self.matched.sort_unstable();
                found(path, &self.matched);
            }
            last = path;
        }
        Ok(())
    }

    /// Forgets the prefixes of the path `last` with which `path` does not begin.
    fn forget_all_but(&mut self, last: &str, path: &str) {
        let same = last.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        self.kept.retain(|kept| kept.prefix_bytes <= same);
    }

    /// Follows a path from its longest known prefix, and sets `matched`.
    fn follow(&mut self, path: &[u8]) -> Result<(), TooMuchWork> {
        self.matched.clear();
        let start = || (0, vec![self.nfa.start_anchored()]);
        let (known, mut from) = self.kept.last().map_or_else(start, |kept| (kept.prefix_bytes, kept.states.clone()));
        let mut to = Vec::new();
        self.pay(from.len())?;
        for at in known..=path.len() {
            if from.is_empty() {
                let rest = path[at..].iter().position(|&byte| byte == b'.');
                self.kept.extend(rest.map(|dot| Kept { prefix_bytes: at + dot + 1, states: Vec::new() }));
                break;
            }
            self.step(&from, path, at, &mut to)?;
            from = replace(&mut to, take(&mut from));
            to.clear();
            // `\b` and its like look at the characters before and after a place. Before the end of
            // a component there is none but its `.`, so a prefix leads to the same states in all
            // paths that begin with it.
            if path.get(at) == Some(&b'.') {
                self.pay(from.len().saturating_mul(KEEPING))?;
                self.kept.push(Kept { prefix_bytes: at + 1, states: from.clone() });
            }
        }
        Ok(())
    }

    /// Takes one byte of `path`: sets `to` to the states that it leads to. At the path's end, adds
    /// to `matched`.
    fn step(&mut self, from: &[StateID], path: &[u8], at: usize, to: &mut Vec<StateID>) -> Result<(), TooMuchWork> {
        self.round += 1;
        self.open.extend(from);
        while let Some(state) = self.open.pop() {
            self.pay(1)?;
            if replace(&mut self.seen[state], self.round) == self.round {
                continue;
            }
            match self.nfa.state(state) {
                State::ByteRange { trans } => to.extend(trans.matches(path, at).then_some(trans.next)),
                State::Sparse(ranges) => {
                    self.pay(ranges.transitions.len())?;
                    to.extend(ranges.matches(path, at));
                }
                State::Dense(table) => to.extend(table.matches(path, at)),
                State::Look { look, next } => {
                    self.open.extend(self.nfa.look_matcher().matches(*look, path, at).then_some(*next));
                }
                State::Union { alternates } => self.open.extend(alternates.iter()),
                State::BinaryUnion { alt1, alt2 } => self.open.extend([alt1, alt2]),
                State::Capture { next, .. } => self.open.push(*next),
                State::Match { pattern_id } if at == path.len() => self.matched.push(pattern_id.as_usize()),
                State::Match { .. } | State::Fail => {}
            }
        }
        Ok(())
    }

    fn pay(&mut self, steps: usize) -> Result<(), TooMuchWork> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(TooMuchWork)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::RegexSet;

    use crate::files::sampling::scatter;

    const MOST_BYTES: usize = 64 << 20;

    fn automaton(patterns: &[String]) -> Automaton {
        let parsed: Vec<Hir> = patterns.iter().map(|p| regex_syntax::parse(p).expect("a pattern")).collect();
        Automaton::new(&parsed, MOST_BYTES).expect("small")
    }

    /// The steps that it takes to match these paths.
    fn steps(patterns: &[String], paths: &BTreeSet<&str>) -> Result<usize, TooMuchWork> {
        let automaton = automaton(patterns);
        let mut walk = Walk::new(&automaton.0);
        walk.each_match(paths, |_, _| {})?;
        Ok(MOST_STEPS - walk.steps_left)
    }

    #[test]
    fn the_matches_are_those_of_an_engine_that_starts_anew_for_each_path() {
        let parts = [
            "a",
            "b",
            r"\.",
            ".",
            r"\d",
            r"\w+",
            "(?:a|b)",
            "[^.]*",
            r"\b",
            "^",
            "$",
            r"\B",
            "é",
            "(?i)A",
            "a{1,3}",
            r"(?:a\.)*",
            "",
            r"\b{end}",
            "(?m)$",
            "|",
            "()",
        ];
        let letters = ["a", "b", ".", ".", "a.", "0", "é", "٣", "\n", "A", "-"];
        let (mut state, mut matches) = (0, 0);
        let mut choose = |most: usize| {
            state += 1;
            (scatter(state) % most as u64) as usize
        };
        for _ in 0..2000 {
            let mut draw = |from: &[&str], most: usize| -> String {
                (0..choose(most)).map(|_| from[choose(from.len())]).collect()
            };
            let patterns: Vec<String> =
                (0..4).map(|_| draw(&parts, 6)).filter(|p| regex_syntax::parse(p).is_ok()).collect();
            let paths: Vec<String> = (0..30).map(|_| draw(&letters, 9)).collect();
            let whole = RegexSet::new(patterns.iter().map(|p| format!(r"\A(?:{p})\z"))).expect("patterns");
            let paths: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
            let mut found = Vec::new();
            let automaton = automaton(&patterns);
            automaton.each_match(&paths, |path, by| found.push((path, by.to_vec()))).expect("little work");
            let by_other = paths.iter().map(|path| (*path, whole.matches(path).iter().collect::<Vec<_>>()));
            let by_other: Vec<_> = by_other.filter(|(_, by)| !by.is_empty()).collect();
            assert_eq!(found, by_other, "{patterns:?}");
            matches += found.len();
        }
        assert!(matches > 5000, "{matches}");
    }

    /// The modules of 61 layers, of which 58 have 256 experts.
    fn deep_seek() -> Vec<String> {
        let parts = ["self_attn.q_a_proj", "self_attn.kv_b_proj", "self_attn.o_proj", "mlp.gate", "mlp.shared_experts"];
        let mut modules: Vec<String> =
            (0..61).flat_map(|layer| parts.map(|part| format!("model.layers.{layer}.{part}"))).collect();
        for (layer, expert) in (3..61).flat_map(|layer| (0..256).map(move |expert| (layer, expert))) {
            let module = format!("model.layers.{layer}.mlp.experts.{expert}");
            modules.extend(["gate_proj", "up_proj", "down_proj"].map(|part| format!("{module}.{part}")));
            modules.push(module);
        }
        modules
    }

    #[test]
    fn the_experts_of_a_large_model_take_a_small_part_of_the_steps_however_they_are_written() {
        let modules = deep_seek();
        let paths = modules.iter().map(String::as_str).collect();
        let each = |pattern: fn(usize, usize) -> String| -> Vec<String> {
            (3..61).flat_map(|layer| (0..256).map(move |expert| pattern(layer, expert))).collect()
        };
        let each_expert: Vec<String> = (0..256).map(|i| format!(r"model\.layers\.\d+\.mlp\.experts\.{i}")).collect();
        let all_alternatives = (0..256).map(|i| i.to_string()).collect::<Vec<_>>().join("|");
        for patterns in [
            vec![r"model\.layers\.\d+\.mlp\.experts\.\d+".to_owned()],
            vec![format!(r"model\.layers\.(?:{all_alternatives})\.mlp\.experts\.(?:{all_alternatives})")],
            each_expert,
            each(|layer, expert| format!(r"model\.layers\.{layer}\.mlp\.experts\.{expert}")),
            each(|layer, expert| {
                format!(r"model\.layers\.{layer}\.mlp\.experts\.{expert}\.(gate_proj|up_proj|down_proj)")
            }),
        ] {
            let steps = steps(&patterns, &paths).expect("within the bound");
            println!("{} patterns, the first of {} bytes: {steps} steps", patterns.len(), patterns[0].len());
            assert!(steps < MOST_STEPS / 4, "{steps}");
        }
    }

    #[test]
    fn patterns_that_would_match_for_hours_are_given_up_after_seconds() {
        let paths: Vec<String> = (0..20_000).map(|i| format!("{i}.{}", "ab".repeat(60))).collect();
        let paths = paths.iter().map(String::as_str).collect();
        let hostile = [
            (0..3000).map(|i| format!("[^.]*.(?:a|b)*{i}")).collect(),
            vec![format!("(?:{})*", vec!["(?:a|b|.)"; 8000].join("?"))],
            vec![format!("(?:{}.)*", "(?:|||)".repeat(8000))],
            vec![format!("{}x", ".*a".repeat(8000))],
        ];
        for patterns in hostile {
            let began = std::time::Instant::now();
            assert_eq!(steps(&patterns, &paths), Err(TooMuchWork), "{}", &patterns[0][..20]);
            // Two seconds, more without optimisation and beside other work.
            assert!(began.elapsed().as_secs() < 100, "{:?}", began.elapsed());
        }
    }
}
