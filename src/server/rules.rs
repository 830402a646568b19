//! Who may do what where, as far as that can be said without looking at anything: names in, yes or no out.
//!
//! Rules only allow, and add up; what none allows is denied. `access` asks here for every request, also for one with
//! a token, so that what is taken away is gone at the next request.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{AccessRule, Group, Permission, Rights, Who};
use crate::image::RepositoryName;
use crate::wire::{Action, Scope};

use super::access::Grant;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Somebody without a name.
    Nobody,
    /// A user of the file.
    User(String),
    /// Whoever shows a password that was signed here: it allows what stands in it, and nothing else.
    Holder {
        /// The name that they go by, which proves nothing.
        name: String,
        /// What the password allows.
        grant: Grant,
    },
}

impl Identity {
    /// The name that they go by; empty for nobody.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Nobody => "",
            Self::User(name) | Self::Holder { name, .. } => name,
        }
    }
}

/// Who may do what where.
#[derive(Debug)]
pub(super) struct Rules {
    anonymous: Rights,
    /// The users of each group.
    groups: BTreeMap<String, BTreeSet<String>>,
    list: Vec<AccessRule>,
}

impl Rules {
    /// Everybody may do what `anonymous` says. Users may do what `rules` say, and everything where there are none.
    pub(super) fn new(anonymous: Rights, groups: Vec<Group>, rules: Vec<AccessRule>) -> Self {
        let groups = groups.into_iter().map(|group| (group.name, group.users.into_iter().collect())).collect();
        Self { anonymous, groups, list: rules }
    }

    /// Whether everybody may do everything.
    pub(super) fn are_none(&self) -> bool {
        Rights::Push.permissions().iter().all(|what| self.may_everywhere(&Identity::Nobody, *what))
    }

    /// Whether somebody may do something in a repository.
    pub(super) fn may(&self, who: &Identity, what: Permission, repository: &RepositoryName) -> bool {
        let within = |grant: &Grant| grant.below.as_ref().is_none_or(|below| repository.is_within(below.as_str()));
        match who {
            Identity::Holder { grant, .. } => grant.rights.permissions().contains(&what) && within(grant),
            _ => self.may_by_word(who, what) || self.rules_for(who, what).any(|rule| rule.is_for(repository)),
        }
    }

    /// Whether somebody may do something in any repository at all, which need not be there.
    pub(super) fn may_somewhere(&self, who: &Identity, what: Permission) -> bool {
        match who {
            Identity::Holder { grant, .. } => grant.rights.permissions().contains(&what),
            _ => self.may_by_word(who, what) || self.rules_for(who, what).next().is_some(),
        }
    }

    /// Whether somebody may do something in every repository.
    pub(super) fn may_everywhere(&self, who: &Identity, what: Permission) -> bool {
        match who {
            Identity::Holder { grant, .. } => grant.rights.permissions().contains(&what) && grant.below.is_none(),
            _ => {
                self.may_by_word(who, what)
                    || self.rules_for(who, what).any(|rule| rule.repository.rank(None).is_some())
            }
        }
    }

    /// Whether they may do all that a scope names.
    pub(super) fn may_all(&self, who: &Identity, scope: &Scope) -> bool {
        match (&*scope.resource, &*scope.name) {
            ("registry", "catalog") => self.may_somewhere(who, Permission::Pull),
            // What nothing names can be in any repository.
            ("registry", "upkeep") => self.may_everywhere(who, Permission::Delete),
            ("repository", name) => name.parse::<RepositoryName>().is_ok_and(|repository| {
                let one = |what| self.may(who, what, &repository);
                scope.actions.iter().all(|action| match action {
                    Action::Pull => one(Permission::Pull),
                    Action::Push => one(Permission::Push),
                    Action::Delete => one(Permission::Delete),
                    Action::Any => [Permission::Pull, Permission::Push, Permission::Delete].into_iter().all(one),
                    Action::Other(_) => false,
                })
            }),
            _ => false,
        }
    }

    /// What a single word allows everywhere: that for everybody, and that of users where no rule says more.
    fn may_by_word(&self, who: &Identity, what: Permission) -> bool {
        let is_user = matches!(who, Identity::User(_));
        self.anonymous.permissions().contains(&what) || is_user && self.list.is_empty()
    }

    /// The rules that allow somebody something.
    fn rules_for<'a>(&'a self, who: &'a Identity, what: Permission) -> impl Iterator<Item = &'a AccessRule> {
        let is_for = move |rule: &&AccessRule| rule.to.iter().any(|to| self.is_meant(who, to));
        self.list.iter().filter(move |rule| rule.allows(what)).filter(is_for)
    }

    fn is_meant(&self, who: &Identity, to: &Who) -> bool {
        match (to, who) {
            (Who::Everyone, _) | (Who::Users, Identity::User(_)) => true,
            (Who::User(meant), Identity::User(name)) => meant == name,
            (Who::Group(group), Identity::User(name)) => {
                self.groups.get(group).is_some_and(|users| users.contains(name))
            }
            (Who::Users | Who::User(_) | Who::Group(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(repository: &str, to: &[&str], allow: &[&str]) -> AccessRule {
        AccessRule {
            repository: repository.parse().unwrap(),
            to: to.iter().map(|who| who.parse().unwrap()).collect(),
            allow: allow.iter().map(|what| what.parse().unwrap()).collect(),
        }
    }

    fn rules() -> Rules {
        let group = |name: &str, users: &[&str]| Group {
            name: name.to_owned(),
            users: users.iter().map(|user| (*user).to_owned()).collect(),
        };
        Rules::new(
            Rights::None,
            vec![group("dev", &["alice", "bob"])],
            vec![
                rule("public", &["everyone"], &["pull"]),
                rule("*", &["users"], &["pull"]),
                rule("team-a", &["group:dev"], &["push"]),
                rule("team-a/cache", &["user:bob"], &["delete"]),
            ],
        )
    }

    /// What somebody may do in a repository, as letters.
    fn letters(rules: &Rules, who: &Identity, repository: &str) -> String {
        let repository = repository.parse().unwrap();
        let all = [('l', Permission::Pull), ('s', Permission::Push), ('d', Permission::Delete)];
        all.iter().filter(|(_, what)| rules.may(who, *what, &repository)).map(|(letter, _)| letter).collect()
    }

    fn user(name: &str) -> Identity {
        Identity::User(name.to_owned())
    }

    #[test]
    fn rules_add_up_and_hold_on_path_boundaries() {
        let rules = rules();
        for (who, repository, expected) in [
            (Identity::Nobody, "public", "l"),
            (Identity::Nobody, "public/x", "l"),
            (Identity::Nobody, "publicity", ""),
            (Identity::Nobody, "team-a", ""),
            (user("carol"), "team-a", "l"),
            (user("alice"), "team-a/app", "ls"),
            (user("alice"), "team-ab", "l"),
            (user("alice"), "team-a/cache", "ls"),
            (user("bob"), "team-a/cache/x", "lsd"),
            (user("bob"), "team-a", "ls"),
        ] {
            assert_eq!(letters(&rules, &who, repository), expected, "{who:?} {repository}");
        }
        assert!(rules.may_somewhere(&Identity::Nobody, Permission::Pull));
        assert!(!rules.may_everywhere(&Identity::Nobody, Permission::Pull));
        assert!(rules.may_everywhere(&user("carol"), Permission::Pull));
        assert!(!rules.may_somewhere(&user("carol"), Permission::Push));
    }

    #[test]
    fn without_rules_users_may_everything_and_others_what_one_word_says() {
        let rules = Rules::new(Rights::Pull, Vec::new(), Vec::new());
        assert_eq!(letters(&rules, &user("x"), "a"), "lsd");
        assert_eq!(letters(&rules, &Identity::Nobody, "a"), "l");
        assert!(!rules.are_none() && Rules::new(Rights::Push, Vec::new(), Vec::new()).are_none());
    }

    #[test]
    fn a_signed_password_is_no_user_and_allows_what_stands_in_it() {
        let holder = |rights, below: Option<&str>| Identity::Holder {
            name: "alice".to_owned(),
            grant: Grant { rights, below: below.map(|name| name.parse().unwrap()) },
        };
        let rules = rules();
        assert_eq!(letters(&rules, &holder(Rights::Pull, Some("other")), "team-a"), "");
        assert_eq!(letters(&rules, &holder(Rights::Push, Some("other")), "other/x"), "lsd");
        assert_eq!(letters(&rules, &holder(Rights::Pull, None), "team-a"), "l");
        assert!(!rules.may_everywhere(&holder(Rights::Push, Some("other")), Permission::Pull));
    }

    #[test]
    fn scopes_are_allowed_whole_or_not() {
        let (rules, alice) = (rules(), user("alice"));
        let may = |scope: &str| rules.may_all(&alice, &scope.parse().unwrap());
        assert!(may("repository:team-a:pull,push") && may("registry:catalog:*"));
        for scope in ["repository:team-a:*", "repository:team-a:zap", "repository:Team:pull", "registry:users:*"] {
            assert!(!may(scope), "{scope}");
        }
    }
}
