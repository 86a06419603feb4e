//! Whatever a guest passes, the host does not fail.

use lowlift::abi::ImportName;
use lowlift::host::call::{Invocation, Need};
use lowlift::host::files::Preopen;
use lowlift::host::preview1::{FUNCTIONS, MODULE};
use lowlift::host::wasi::wasi;
use lowlift::host::{Config, GuestMemory, State, Stdio, Trap};
use std::sync::Arc;
use std::time::Duration;

/// Numbers without a pattern.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Small ones, borders, and anything.
    fn slot(&mut self) -> u64 {
        const BORDERS: [u64; 8] = [0xfff0, 0xffff, 0x1_0000, 1 << 31, u32::MAX as u64, 1 << 32, 1 << 63, u64::MAX];
        match self.next() % 8 {
            0..=3 => self.next() % 8,
            4 | 5 => (self.next() % 0x2000) * 8,
            6 => BORDERS[self.next() as usize % BORDERS.len()],
            _ => self.next(),
        }
    }
}

#[tokio::test]
async fn any_slots_and_any_memory_do_no_harm() {
    for in_place in [false, true] {
        pass_anything(in_place).await;
    }
}

async fn pass_anything(in_place: bool) {
    let wasi = wasi().expect("built");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("inner/a")).expect("made");
    let dir = Preopen::open(&folder.path().join("inner"), "/", false).expect("opens");
    let config =
        Arc::new(Config { dirs: vec![dir], args: vec!["prog".to_owned()], handles: 50, in_place, ..Config::default() });
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut state = State::new(config.clone(), Stdio::logged(Arc::new(|_, _| {})));
    let mut answers = [0usize; 3];
    for round in 0..200 {
        // Zeroes are paths, vectors and subscriptions that make some sense.
        let mut memory = vec![0u8; 0x1_0000];
        if round % 2 == 1 {
            memory.iter_mut().for_each(|byte| *byte = (numbers.next() % 256) as u8);
        }
        memory[..8].copy_from_slice(b"a\0..\0inn");
        for function in FUNCTIONS {
            let name = ImportName { module: MODULE.to_owned(), name: function.name.to_owned() };
            let found = wasi.find(&name, Some(&function.signature())).expect("found");
            let mut slots = [0; 17];
            for (slot, ty) in slots.iter_mut().zip(function.params) {
                let any = numbers.slot();
                *slot = if *ty == lowlift::abi::Core::I32 { any & u64::from(u32::MAX) } else { any };
            }
            let invocation = Invocation::new(found, &wasi.table, slots);
            let mut need = invocation.begin(&mut state, &mut GuestMemory::new(&mut memory));
            let ended = loop {
                let after = match need {
                    Ok(Need::Wait(wait, after)) => {
                        // A clock may be as far away as it likes.
                        let waited = tokio::time::timeout(Duration::ZERO, state.wait(&wait)).await;
                        if waited.is_err() {
                            break Ok(None);
                        }
                        after
                    }
                    Ok(Need::Job(job)) => job.await,
                    Ok(Need::Return(bits)) => break Ok(bits),
                    Ok(Need::Allocate(..)) => panic!("{} has the guest allocate", function.name),
                    Err(trap) => break Err(trap),
                };
                need = invocation.resume(after, &mut state, &mut GuestMemory::new(&mut memory));
            };
            match ended {
                Ok(Some(0)) => answers[0] += 1,
                Ok(_) => answers[1] += 1,
                Err(Trap::Guest(_) | Trap::Exit(_)) => answers[2] += 1,
                Err(other) => panic!("{}: {other}", function.name),
            }
        }
        if round % 20 == 0 {
            state = State::new(config.clone(), Stdio::logged(Arc::new(|_, _| {})));
        }
    }
    assert!(answers.iter().all(|&count| count > 300), "successes, error numbers and traps: {answers:?}");
    let outside: Vec<_> = std::fs::read_dir(folder.path()).expect("there").collect();
    assert_eq!(outside.len(), 1, "nothing is made outside of what is given");
}
