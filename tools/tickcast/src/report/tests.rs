use super::*;

#[test]
fn writes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/pages-look");
    std::fs::create_dir_all(&folder).unwrap();
    let one = [sample::full()];
    std::fs::write(folder.join("one.html"), html(&one)).unwrap();
    for (name, svg) in svgs(&one) {
        std::fs::write(folder.join(name), svg).unwrap();
    }
    let two = [
        sample::full(),
        sample::run("40,000 ticks/s, in its own thread", 9, 100, 4_000, 1.3),
        sample::run("third", 11, 100, 1_000, 0.8),
    ];
    std::fs::write(folder.join("two.html"), html(&two)).unwrap();
    let mut few = sample::run("a short run", 9, 2, 90, 1.0);
    few.statements.push("Only 180 samples.".into());
    std::fs::write(folder.join("few.html"), html(&[few])).unwrap();
    std::fs::write(folder.join("empty.html"), html(&[Run::default()])).unwrap();
}
