//! Courses.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{CourseId, UserId};
use super::money::{FeePercent, Price};

/// A course as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The course's id.
    pub id: CourseId,
    /// Its URL name, unique among the courses that are not deleted. A former one leads to the course, and stays its seller's.
    pub slug: String,
    /// At most 200 characters.
    pub title: String,
    /// At most 10,000 characters, plain text.
    pub description: String,
    /// What buyers pay.
    pub price: Price,
    /// The platform's percentage of it.
    pub fee_percent: FeePercent,
    /// The seller who owns it.
    pub seller_id: UserId,
    /// Who shares what is left of a sale after the fee. If empty, the seller gets all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payees: Vec<Share>,
    /// A proposed division, which waits for the acceptance of those it affects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Proposal>,
    /// Whether its seller offers it, see [`Course::is_offered`].
    pub published: bool,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Incremented by each change. A write is conditional on the version that it read.
    pub version: u64,
    /// A deleted course leaves the catalogue, and its slug is for its seller's next course. Its record stays for its buyers and for the books.
    #[serde(default)]
    pub deleted: bool,
    /// Set if staff took it down: it is neither shown nor sold, and its seller cannot undo that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_down: Option<TakenDown>,
    /// How often its slug was changed. Each former slug stays reserved, so there are at most [`RENAMES_MAX`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renames: u8,
}

/// How often a course's slug can be changed.
pub const RENAMES_MAX: u8 = 10;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "Serde passes a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Why and since when a course is taken down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenDown {
    /// The reason that staff gave, for the seller.
    pub reason: String,
    /// When it was taken down.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Course {
    /// Whether it is in the catalogue and can be bought.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.published && !self.deleted && self.taken_down.is_none()
    }
}

/// One payee's share of a sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The payee, who must be a seller.
    pub seller: UserId,
    /// In whole percents of what is left after the platform's fee. The shares of a course add up to 100.
    pub share: u8,
}

/// A division that takes effect once every payee has accepted their share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The shares.
    pub shares: Vec<Share>,
    /// The payees who have accepted.
    pub accepted: Vec<UserId>,
}

impl Course {
    /// Proposes a division of the sales for the course's seller. It takes effect at once if everybody in it has accepted exactly that
    /// share; otherwise the current division stays in effect until all have.
    pub fn propose(&mut self, shares: Vec<Share>) {
        let before = self.proposed.take();
        let has_accepted =
            |share: &Share| before.as_ref().is_some_and(|before| before.shares.contains(share) && before.accepted.contains(&share.seller));
        let accepted: Vec<UserId> = shares
            .iter()
            .filter(|share| share.seller == self.seller_id || self.payees.contains(share) || has_accepted(share))
            .map(|share| share.seller.clone())
            .collect();
        self.proposed = Some(Proposal { shares, accepted });
        self.settle_shares();
    }

    /// The shares that wait for their payees to accept them.
    #[must_use]
    pub fn offered_shares(&self) -> Vec<&Share> {
        let waiting = |proposal: &&Proposal, share: &Share| !proposal.accepted.contains(&share.seller);
        let shares = self.proposed.iter().flat_map(|proposal| proposal.shares.iter().filter(move |share| waiting(&proposal, share)));
        shares.collect()
    }

    /// Accepts the share that a payee was offered. Returns false if they were not offered a share of that size.
    pub fn accept_share(&mut self, payee: &UserId, share: u8) -> bool {
        let Some(proposal) = &mut self.proposed else {
            return self.payees.iter().any(|one| one.seller == *payee && one.share == share);
        };
        if !proposal.shares.iter().any(|one| one.seller == *payee && one.share == share) {
            return false;
        }
        if !proposal.accepted.contains(payee) {
            proposal.accepted.push(payee.clone());
        }
        self.settle_shares();
        true
    }

    /// Declines what a payee was offered and passes their current share to the
    /// course's seller, from the next sale on. Returns false if there is neither.
    pub fn leave_share(&mut self, payee: &UserId) -> bool {
        if *payee == self.seller_id {
            return false;
        }
        let is_theirs = |share: &Share| share.seller == *payee;
        let declined = self.proposed.take_if(|proposal| proposal.shares.iter().any(is_theirs)).is_some();
        let Some(place) = self.payees.iter().position(is_theirs) else { return declined };
        let left = self.payees.remove(place).share;
        match self.payees.iter_mut().find(|share| share.seller == self.seller_id) {
            Some(own) => own.share += left,
            None => self.payees.push(Share { seller: self.seller_id.clone(), share: left }),
        }
        self.drop_own_share();
        true
    }

    /// Puts a proposal into effect if everybody has accepted.
    fn settle_shares(&mut self) {
        let is_complete = |proposal: &mut Proposal| proposal.shares.iter().all(|share| proposal.accepted.contains(&share.seller));
        if let Some(proposal) = self.proposed.take_if(is_complete) {
            self.payees = proposal.shares;
            self.drop_own_share();
        }
    }

    /// Clears the shares if the seller has all of them.
    fn drop_own_share(&mut self) {
        if self.payees.iter().all(|share| share.seller == self.seller_id) {
            self.payees.clear();
        }
    }
}

/// The most payees of a course.
pub const PAYEES_MAX: usize = 10;

/// What is wrong with a course's shares, if anything.
#[must_use]
pub fn fault_of_shares(shares: &[Share]) -> Option<&'static str> {
    let mut sellers: Vec<&str> = shares.iter().map(|share| share.seller.as_str()).collect();
    sellers.sort_unstable();
    sellers.dedup();
    let sum: u32 = shares.iter().map(|share| u32::from(share.share)).sum();
    if shares.is_empty() {
        None
    } else if shares.len() > PAYEES_MAX {
        Some("payees: a course has at most 10")
    } else if sellers.len() != shares.len() {
        Some("payees: each seller can be listed once")
    } else if sum != 100 || shares.iter().any(|share| share.share == 0) {
        Some("payees: the shares must be whole percents above 0 that add up to 100")
    } else {
        None
    }
}

/// What a course's buyers read. It is stored apart from the course, which lists and pages load often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Markdown, at most [`CONTENT_MAX`] bytes.
    pub markdown: String,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// The longest content, in bytes. With its JSON escapes it still fits into a request.
pub const CONTENT_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        let at = OffsetDateTime::UNIX_EPOCH;
        let entropy = crate::base::entropy::Entropy::seeded(1);
        let seller_id = UserId::generate(&entropy);
        Course {
            id: CourseId::generate(&seller_id, at, &entropy),
            slug: "t".to_owned(),
            title: "T".to_owned(),
            description: String::new(),
            price: Price { amount: 5000, currency: crate::domain::money::Currency::Usd },
            fee_percent: FeePercent::try_from(50).expect("a percentage"),
            seller_id,
            payees: Vec::new(),
            proposed: None,
            published: true,
            created_at: at,
            updated_at: at,
            version: 1,
            deleted: false,
            taken_down: None,
            renames: 0,
        }
    }

    #[test]
    fn a_share_binds_nobody_who_has_not_accepted_it() {
        let mut course = course();
        let entropy = crate::base::entropy::Entropy::seeded(2);
        let (one, two) = (UserId::generate(&entropy), UserId::generate(&entropy));
        let own = course.seller_id.clone();
        let share = |seller: &UserId, share: u8| Share { seller: seller.clone(), share };
        let all = vec![share(&own, 50), share(&one, 30), share(&two, 20)];

        course.propose(all.clone());
        assert!(course.payees.is_empty());
        assert!(!course.accept_share(&one, 29), "what was not offered");
        assert!(course.accept_share(&one, 30) && course.accept_share(&one, 30));
        assert!(course.payees.is_empty(), "one is missing");
        assert!(course.accept_share(&two, 20));
        assert_eq!((&course.payees, &course.proposed), (&all, &None));

        // A share that somebody already has needs no new acceptance; a different share does.
        course.propose(vec![share(&own, 70), share(&one, 30)]);
        assert_eq!(course.payees, [share(&own, 70), share(&one, 30)]);
        course.propose(vec![share(&own, 90), share(&one, 10)]);
        assert_eq!(course.payees, [share(&own, 70), share(&one, 30)]);

        assert!(course.leave_share(&one) && !course.leave_share(&one));
        assert_eq!((course.payees.len(), &course.proposed), (0, &None));
        course.propose(vec![share(&own, 100)]);
        assert!(course.payees.is_empty() && course.proposed.is_none(), "nobody can share with themselves");
    }
}
