//! What the command line asks for.

use crate::live::report::Keep;
use crate::live::systems::System;

pub(crate) const USAGE: &str = "usage: cargo bench --bench live -- [PART…] [OPTION…]

  end-to-end        from commit to client, beside Zero, Parse and others (needs npm, the first time)
  scale             what many live results cost, to have and to leave alone
  joins             what a change costs under joins and aggregates, beside asking again
  fanout            what a delivery costs beside the write it ends in, and an idle socket
  storm             how long a crowd waits that comes all at once
  price             what a watched table costs its writers
  ticks             what one look at the log costs, in parts; printed only, not part of `all`
  growth            speed and memory before and after minutes of load; not part of `all`
  all               everything else (the default)

  --write           replace the measured sections of docs/benchmarks.md
  --seconds N       how long each measurement takes (default: 3 for latency, 0.6 for prices)
  --subscribers N   how many WebSocket clients watch; may be said again (default: 100 and 1000)
  --sockets N       how many sockets a delivery goes to, and how many a storm has (default: 10000)
  --system NAME     measure this one only: floor postgres sqlite requery zero zero-groups parse;
                    may be said again
  --minutes N       how long `growth` loads (default: 10)
  --results N       the most live results (default: 1000000)";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    EndToEnd,
    Scale,
    Joins,
    FanOut,
    Storm,
    Price,
    Growth,
    Ticks,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::EndToEnd, Self::Scale, Self::Joins, Self::FanOut, Self::Storm, Self::Price];
    const KNOWN: [Self; 8] = [
        Self::EndToEnd,
        Self::Scale,
        Self::Joins,
        Self::FanOut,
        Self::Storm,
        Self::Price,
        Self::Growth,
        Self::Ticks,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::EndToEnd => "end-to-end",
            Self::Scale => "scale",
            Self::Joins => "joins",
            Self::FanOut => "fanout",
            Self::Storm => "storm",
            Self::Price => "price",
            Self::Growth => "growth",
            Self::Ticks => "ticks",
        }
    }
}

/// What to measure, and for how long.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    pub(crate) keep: Keep,
    pub(crate) seconds: Option<u64>,
    pub(crate) subscribers: Vec<usize>,
    pub(crate) sockets: usize,
    pub(crate) systems: Vec<System>,
    /// The most live results.
    pub(crate) most: u64,
    /// How long `growth` loads.
    pub(crate) minutes: u64,
}

impl Options {
    /// Reads what follows the name of the program; or says what is wrong with it.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            parts: Vec::new(),
            keep: Keep::Printed,
            seconds: None,
            subscribers: Vec::new(),
            sockets: 10_000,
            systems: Vec::new(),
            most: u64::MAX,
            minutes: 10,
        };
        while let Some(argument) = arguments.next() {
            let part = Part::KNOWN.into_iter().find(|part| part.word() == argument);
            match (argument.as_str(), part) {
                (_, Some(part)) => options.parts.push(part),
                ("--write", _) => options.keep = Keep::Written,
                ("--seconds", _) => {
                    options.seconds = Some(number(&argument, arguments.next())?.into());
                }
                ("--subscribers", _) => {
                    let count = number(&argument, arguments.next())?;
                    options.subscribers.push(usize::try_from(count).unwrap_or(usize::MAX));
                }
                ("--results", _) => options.most = number(&argument, arguments.next())?.into(),
                ("--minutes", _) => options.minutes = number(&argument, arguments.next())?.into(),
                ("--sockets", _) => {
                    let count = number(&argument, arguments.next())?;
                    options.sockets = usize::try_from(count).unwrap_or(usize::MAX);
                }
                ("--system", _) => {
                    let word = arguments.next().unwrap_or_default();
                    let system = System::ALL.into_iter().find(|system| system.word() == word);
                    options.systems.push(system.ok_or(format!("`{word}` is not a system"))?);
                }
                // What cargo says to every benchmark.
                ("--bench", _) => {}
                ("--help", _) => return Err("what can be measured:".to_owned()),
                ("all", _) => options.parts.extend(Part::ALL),
                _ => return Err(format!("`{argument}` is not an option")),
            }
        }
        if options.subscribers.is_empty() {
            options.subscribers.extend([100, 1000]);
        }
        if options.parts.is_empty() {
            options.parts.extend(Part::ALL);
        }
        if options.systems.is_empty() {
            options.systems.extend(System::ALL);
        }
        Ok(options)
    }
}

fn number(option: &str, text: Option<String>) -> Result<u32, String> {
    let number = text.and_then(|text| text.parse::<u32>().ok());
    number.filter(|number| 0 < *number).ok_or(format!("`{option}` needs a number"))
}
