//! Turns a queued mail into a letter: reads its subject and its recipient.

use shared::domain::ids::{CourseId, PurchaseId, SubscriptionId, UserId};
use shared::domain::mail::{Mail, Recipient, Sold};
use shared::domain::membership::Payment;
use shared::domain::purchase::Purchase;
use shared::domain::user::{Email, StripeLink, User};
use shared::store::StoreError;
use shared::store::mailed::{Purpose, SentTo};
use shared::store::token::Token;
use time::OffsetDateTime;

use crate::Notify;
use crate::letters::{self, Sale};
use crate::letters_of_accounts;
use crate::letters_of_disputes::{self, Disputed, Warned};
use crate::letters_of_members::{self, Period};
use crate::render::Letter;

/// The letter; `None` if it has no recipient or is no longer needed.
pub(crate) async fn compose(notify: &Notify, mail: &Mail) -> Result<Option<Letter>, StoreError> {
    let shop = notify.app.config.storefront_url.as_str();
    Ok(match mail {
        Mail::PurchaseReceipt { purchase } => {
            buyer(notify, purchase).await?.map(|(purchase, buyer)| letters::receipt(shop, &purchase, &buyer.email))
        }
        Mail::SaleNotice { purchase } => {
            seller(notify, purchase).await?.map(|(purchase, seller)| letters::sale_notice(shop, &purchase, &seller.email))
        }
        Mail::Refunded { purchase, total, .. } => {
            buyer(notify, purchase).await?.map(|(purchase, buyer)| letters::refund(shop, &purchase, *total, &buyer.email))
        }
        Mail::RefundFailed { purchase, refund, to } => refund_failed(notify, purchase, refund, *to).await?,
        Mail::DisputeOpened { purchase, dispute, to, stage } => {
            let found = disputed(notify, purchase, dispute, *to).await?;
            found.map(|(one, address)| letters_of_disputes::opened(shop, &one, *stage, *to, &address))
        }
        Mail::DisputeClosed { purchase, dispute, won, to } => {
            let found = disputed(notify, purchase, dispute, *to).await?;
            found.map(|(one, address)| letters_of_disputes::closed(shop, &one, *won, *to, &address))
        }
        Mail::OnboardingUnfinished { user, account } => {
            let is_unfinished = |link: &StripeLink| !link.state.charges_enabled && link.state.waits_for_owner();
            seller_with(notify, user, account, is_unfinished).await?.map(|seller| letters_of_accounts::onboarding(shop, &seller.email))
        }
        Mail::AccountStopped { user, account, reason, to, .. } => {
            let seller = seller_with(notify, user, account, |_| true).await?;
            let seller = seller.filter(|seller| seller.stopped_by(&notify.app.config.terms) == Some(reason));
            let address = |seller: &User| match to {
                Recipient::Buyer | Recipient::Seller => Some(seller.email.clone()),
                Recipient::Staff => staff_address(notify),
            };
            seller.and_then(|seller| Some(letters_of_accounts::stopped(shop, &seller, reason, *to, &address(&seller)?)))
        }
        Mail::RequirementsDue { user, account, by, .. } => {
            let seller = seller_with(notify, user, account, |link| link.state.wanted_by() == Some(*by)).await?;
            seller.zip(OffsetDateTime::from_unix_timestamp(*by).ok()).map(|(seller, by)| letters_of_accounts::due(shop, by, &seller))
        }
        Mail::RenewalFailed { user, title, first, .. } => {
            notify.app.store.user(user).await?.map(|user| letters::renewal_failed(shop, named_to(&user, title), *first, &user.email))
        }
        Mail::MembershipEnds { user, title, until, direct, .. } => {
            let until = until.and_then(|until| OffsetDateTime::from_unix_timestamp(until).ok());
            notify
                .app
                .store
                .user(user)
                .await?
                .map(|user| letters::membership_ends(shop, named_to(&user, title), until, *direct, &user.email))
        }
        Mail::MembershipRefunded { subscription, refund, total } => {
            let by_refund = |payment: &Payment| payment.refunds.iter().any(|one| one.id == *refund);
            period(notify, subscription, Recipient::Buyer, by_refund)
                .await?
                .map(|(period, to)| letters_of_members::refunded(shop, &period, *total, &to))
        }
        Mail::MembershipRefundFailed { subscription, refund, to } => {
            let by_refund = |payment: &Payment| payment.refunds.iter().any(|one| one.id == *refund);
            let found = period(notify, subscription, *to, by_refund).await?;
            found.map(|(period, address)| letters_of_members::refund_failed(shop, &period, refund, *to, &address))
        }
        Mail::MembershipDisputeOpened { subscription, dispute, to, stage } => {
            let found = disputed_by_member(notify, subscription, dispute, *to).await?;
            found.map(|(one, address)| letters_of_disputes::opened(shop, &one, *stage, *to, &address))
        }
        Mail::MembershipDisputeClosed { subscription, dispute, won, to } => {
            let found = disputed_by_member(notify, subscription, dispute, *to).await?;
            found.map(|(one, address)| letters_of_disputes::closed(shop, &one, *won, *to, &address))
        }
        Mail::FraudWarning { of, payment, reason, to, .. } => warned(notify, of, payment, reason, *to)
            .await?
            .map(|(one, address)| letters_of_disputes::fraud_warning(shop, &one, *to, &address)),
        Mail::PasswordReset { email, .. } => {
            let Ok(email) = Email::parse(email) else { return Ok(None) };
            match notify.app.store.user_by_email(&email).await? {
                Some(user) => Some(letters::password_reset(shop, &token(notify, Purpose::Reset, &user, &user.email).await?, &user.email)),
                None => None,
            }
        }
        Mail::ConfirmEmail { user, email, .. } => match notify.app.store.user(user).await? {
            Some(user) => confirmation(notify, &user, email).await?,
            None => None,
        },
        Mail::EmailMoved { user, from, asked_at, .. } => match notify.app.store.user(user).await? {
            Some(user) if user.email != *from => {
                let to = SentTo { email: from, asked_at: *asked_at };
                Some(letters::email_moved(shop, &token_to(notify, Purpose::Undo, &user, to).await?, from))
            }
            _ => None,
        },
        Mail::PasswordChanged { user, .. } => notify.app.store.user(user).await?.map(|user| letters::password_changed(shop, &user.email)),
        Mail::SecondFactor { user, news, .. } => {
            notify.app.store.user(user).await?.map(|user| letters::second_factor(shop, *news, &user.email))
        }
        Mail::CodesWrong { user, .. } => notify.app.store.user(user).await?.map(|user| letters::codes_wrong(shop, &user.email)),
        Mail::ChangedByStaff { user, news, note, .. } => {
            notify.app.store.user(user).await?.map(|user| letters::changed_by_staff(shop, *news, note.clone(), &user.email))
        }
        Mail::ShareOffered { user, course, .. } => offered(notify, user, course).await?,
        Mail::AccountConnected { user, account, .. } => {
            notify.app.store.user(user).await?.map(|user| letters_of_accounts::connected(shop, account, &user.email))
        }
        Mail::PayoutFailed { user, payout } => {
            notify.app.store.user(user).await?.map(|user| letters_of_accounts::payout_failed(shop, payout, &user.email))
        }
        Mail::AccountDisconnected { user, account, .. } => {
            notify.app.store.user(user).await?.map(|user| letters_of_accounts::disconnected(shop, account, &user.email))
        }
    })
}

/// The link that confirms the current address, or the new one that the user requested. Only its owner learns whether that has an account.
async fn confirmation(notify: &Notify, user: &User, email_digest: &str) -> Result<Option<Letter>, StoreError> {
    let shop = notify.app.config.storefront_url.as_str();
    if !user.email_confirmed && Mail::is_address(email_digest, &user.email) {
        let token = token(notify, Purpose::Confirm, user, &user.email).await?;
        return Ok(Some(letters::confirm_email(shop, &token, &user.email)));
    }
    let Some(new) = user.new_email.as_deref().filter(|new| Mail::is_address(email_digest, new)) else { return Ok(None) };
    let Ok(email) = Email::parse(new) else { return Ok(None) };
    if notify.app.store.user_by_email(&email).await?.is_some() {
        return Ok(Some(letters::address_taken(shop, new)));
    }
    Ok(Some(letters::confirm_new_email(shop, &token(notify, Purpose::Confirm, user, new).await?, new)))
}

/// Issued only now, when the mail is written, so that only its digest is ever stored.
async fn token(notify: &Notify, purpose: Purpose, user: &User, to: &str) -> Result<String, StoreError> {
    token_to(notify, purpose, user, SentTo { email: to, asked_at: None }).await
}

async fn token_to(notify: &Notify, purpose: Purpose, user: &User, to: SentTo<'_>) -> Result<String, StoreError> {
    let app = &notify.app;
    let token = Token::generate(&user.id, &app.entropy);
    app.store.issue(&token, purpose, user, to, app.clock.now()).await?;
    Ok(token.reveal())
}

/// The offer of a share, if it still waits for its payee.
async fn offered(notify: &Notify, payee: &UserId, course: &CourseId) -> Result<Option<Letter>, StoreError> {
    let (shop, store) = (notify.app.config.storefront_url.as_str(), &notify.app.store);
    let (course, payee) = tokio::try_join!(store.course(course), store.user(payee))?;
    let Some((course, payee)) = course.filter(|course| !course.deleted && course.taken_down.is_none()).zip(payee) else { return Ok(None) };
    let offered = course.offered_shares().into_iter().find(|one| one.seller == payee.id);
    let now = course.payees.iter().find(|one| one.seller == payee.id).map(|one| one.share);
    Ok(offered.map(|offered| letters_of_accounts::share_offered(shop, named_to(&payee, &course.title), offered.share, now, &payee.email)))
}

/// The seller, if the account is still linked and passes `test`.
async fn seller_with(
    notify: &Notify,
    user: &UserId,
    account: &str,
    test: impl Fn(&StripeLink) -> bool,
) -> Result<Option<User>, StoreError> {
    let seller = notify.app.store.user(user).await?;
    Ok(seller.filter(|seller| seller.stripe.as_ref().is_some_and(|link| link.account_id == account && test(link))))
}

async fn buyer(notify: &Notify, id: &PurchaseId) -> Result<Option<(Sale, User)>, StoreError> {
    let store = &notify.app.store;
    let (purchase, buyer) = (store.purchase(id).await?, store.user(&id.buyer()).await?);
    Ok(purchase.zip(buyer).map(|(purchase, buyer)| (sale(&purchase, buyer.email_confirmed), buyer)))
}

async fn seller(notify: &Notify, id: &PurchaseId) -> Result<Option<(Sale, User)>, StoreError> {
    let store = &notify.app.store;
    let Some(purchase) = store.purchase(id).await? else { return Ok(None) };
    let seller: &UserId = &purchase.seller_id;
    let seller = store.user(seller).await?;
    Ok(seller.map(|seller| (sale(&purchase, true), seller)))
}

/// A title that another user wrote, unless the address may be a stranger's.
fn named_to<'a>(user: &User, title: &'a str) -> Option<&'a str> {
    user.email_confirmed.then_some(title)
}

/// The recipient's address, if there is one, and whether the seller's title may be in the letter.
async fn reader(notify: &Notify, to: Recipient, buyer: &UserId, seller: &UserId) -> Result<Option<(String, bool)>, StoreError> {
    let store = &notify.app.store;
    Ok(match to {
        Recipient::Buyer => store.user(buyer).await?.map(|user| (user.email, user.email_confirmed)),
        Recipient::Seller => store.user(seller).await?.map(|user| (user.email, true)),
        Recipient::Staff => staff_address(notify).map(|address| (address, true)),
    })
}

/// The recipient's address, if there is one.
async fn address(notify: &Notify, to: Recipient, buyer: &UserId, seller: &UserId) -> Result<Option<String>, StoreError> {
    Ok(reader(notify, to, buyer, seller).await?.map(|(address, _)| address))
}

/// `None` if the operator has configured none.
fn staff_address(notify: &Notify) -> Option<String> {
    Some(notify.app.config.staff_email.clone()).filter(|address| !address.is_empty())
}

/// A dispute of a purchase as it is now, and the recipient's address; `None` if there is none.
async fn disputed(notify: &Notify, id: &PurchaseId, dispute: &str, to: Recipient) -> Result<Option<(Disputed, String)>, StoreError> {
    let Some(purchase) = notify.app.store.purchase(id).await? else { return Ok(None) };
    let address = address(notify, to, &purchase.buyer_id, &purchase.seller_id).await?;
    let found = purchase.disputes().iter().find(|one| one.id == dispute).map(|one| Disputed {
        title: purchase.course_title.clone(),
        of: ("Purchase", purchase.id.to_string()),
        paid: purchase.amount(),
        amount: one.amount,
        currency: purchase.currency,
        reason: one.reason.clone(),
        status: one.status,
        due_by: one.due_by,
        is_platforms: purchase.charged_account().is_none(),
    });
    Ok(found.zip(address))
}

/// The same for a member's payment.
async fn disputed_by_member(
    notify: &Notify,
    id: &SubscriptionId,
    dispute: &str,
    to: Recipient,
) -> Result<Option<(Disputed, String)>, StoreError> {
    let Some(subscription) = notify.app.store.subscription(id).await? else { return Ok(None) };
    let address = address(notify, to, &subscription.buyer_id, &subscription.seller_id).await?;
    let mut all = subscription.payments.iter().flat_map(|payment| payment.disputes.iter().map(move |one| (payment, one)));
    let found = all.find(|(_, one)| one.id == dispute).map(|(payment, one)| Disputed {
        title: subscription.title.clone(),
        of: ("Membership", subscription.id.to_string()),
        paid: payment.amount,
        amount: one.amount,
        currency: subscription.currency,
        reason: one.reason.clone(),
        status: one.status,
        due_by: one.due_by,
        is_platforms: subscription.account.is_none(),
    });
    Ok(found.zip(address))
}

/// A payment whose card's issuer warns of fraud, as it is now, and the recipient's address; `None` if there is none.
async fn warned(notify: &Notify, of: &Sold, payment: &str, reason: &str, to: Recipient) -> Result<Option<(Warned, String)>, StoreError> {
    let store = &notify.app.store;
    match of {
        Sold::Purchase(id) => {
            let Some(purchase) = store.purchase(id).await? else { return Ok(None) };
            let address = address(notify, to, &purchase.buyer_id, &purchase.seller_id).await?;
            let found = Warned {
                title: purchase.course_title.clone(),
                of: ("Purchase", purchase.id.to_string()),
                paid: purchase.amount(),
                currency: purchase.currency,
                reason: reason.to_owned(),
                is_platforms: purchase.charged_account().is_none(),
                is_refunded: purchase.is_refunded_for_fraud(),
            };
            Ok(Some(found).zip(address))
        }
        Sold::Membership(id) => {
            let Some(subscription) = store.subscription(id).await? else { return Ok(None) };
            let address = address(notify, to, &subscription.buyer_id, &subscription.seller_id).await?;
            let found = subscription.payment_of(payment).map(|payment| Warned {
                title: subscription.title.clone(),
                of: ("Membership", subscription.id.to_string()),
                paid: payment.amount,
                currency: subscription.currency,
                reason: reason.to_owned(),
                is_platforms: subscription.account.is_none(),
                is_refunded: false,
            });
            Ok(found.zip(address))
        }
    }
}

async fn refund_failed(notify: &Notify, id: &PurchaseId, refund: &str, to: Recipient) -> Result<Option<Letter>, StoreError> {
    let (shop, store) = (notify.app.config.storefront_url.as_str(), &notify.app.store);
    let Some(purchase) = store.purchase(id).await? else { return Ok(None) };
    let reader = reader(notify, to, &purchase.buyer_id, &purchase.seller_id).await?;
    let refund = refund.parse().ok().and_then(|number| purchase.movement(number));
    Ok(reader.zip(refund).map(|((address, is_named), refund)| {
        let (sale, amount) = (sale(&purchase, is_named), refund.amount);
        match refund.stripe_id {
            Some(_) => letters::refund_failed(shop, &sale, amount, to, &address),
            None => letters::refund_refused(shop, &sale, amount, refund.failure.as_deref().unwrap_or_default(), to, &address),
        }
    }))
}

/// The member's payment that passes `test`, and the recipient's address; `None` if there is none.
async fn period(
    notify: &Notify,
    id: &SubscriptionId,
    to: Recipient,
    test: impl Fn(&Payment) -> bool,
) -> Result<Option<(Period, String)>, StoreError> {
    let store = &notify.app.store;
    let Some(subscription) = store.subscription(id).await? else { return Ok(None) };
    let reader = reader(notify, to, &subscription.buyer_id, &subscription.seller_id).await?;
    let payment = subscription.payments.iter().find(|payment| test(payment));
    Ok(payment.zip(reader).map(|(payment, (address, is_named))| {
        let title = is_named.then(|| subscription.title.clone());
        (Period { subscription: subscription.id.to_string(), title, currency: subscription.currency, payment: payment.clone() }, address)
    }))
}

/// The facts of a purchase for its letters, with the course's title or without.
fn sale(purchase: &Purchase, is_named: bool) -> Sale {
    Sale {
        id: purchase.id.to_string(),
        title: is_named.then(|| purchase.course_title.clone()),
        course_id: purchase.course_id.to_string(),
        amount: purchase.amount(),
        fee: purchase.application_fee(),
        currency: purchase.currency,
        paid_at: purchase.paid_at().unwrap_or(purchase.created_at),
    }
}
