//! The benches live in `benches/`: each puts other libraries beside ours.
