//! `prune --used-by`: what a spec names stays at home, whatever else is said.

use super::{COMPOSE, Site, compose};

#[test]
fn what_a_spec_uses_stays_at_home() {
    let site = Site::of(COMPOSE);
    site.program.run(&["app", "pull", "-f", "app.yaml", "-q"]).success();
    let prune = ["prune", "--keep", "0", "--grace", "0", "--used-by", "app.yaml"];
    site.write(&compose(&["reg.example.com/a:${TAG}"]));
    site.program.run(&prune).code(2).says("nothing is removed while");
    assert_eq!(site.program.run(&["images", "-q"]).success().lines().len(), 4);
    // One that is not at home, and one that is.
    let used = format!("{}/shop/cache:7", site.registry.address());
    site.write(&compose(&[format!("{used}0"), used.clone()]));
    site.program.run(&prune).success();
    let left = site.program.run(&["images", "-q"]).success();
    assert_eq!(left.stdout, format!("{}\n", used.replacen(':', "_", 1)));
    site.program.run(&["app", "check", "-f", "app.yaml"]).code(3);
}
