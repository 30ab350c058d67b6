//! Test data for the local stack: a buyer, a seller, a staff member, and two courses.

use shared::app::App;
use shared::base::password;
use shared::domain::course::{Content, Course};
use shared::domain::ids::{CourseId, UserId};
use shared::domain::money::{Currency, FeePercent, Price};
use shared::domain::user::{Email, User};
use shared::store::Written;

use crate::Failure;

/// The password of all test users.
pub const PASSWORD: &str = "justatest";

/// They contain no secrets, so they are only written to a local endpoint.
const USERS: [Fixture; 3] = [
    Fixture { email: "test@buyer.com", is_seller: false, is_staff: false },
    Fixture { email: "test@seller.com", is_seller: true, is_staff: false },
    Fixture { email: "test@admin.com", is_seller: false, is_staff: true },
];

struct Fixture {
    email: &'static str,
    is_seller: bool,
    is_staff: bool,
}

/// Slug, title, price in cents, description, and the first lesson.
const COURSES: [(&str, &str, i64, &str, &str); 2] = [
    (
        "flask-microservices",
        "Microservices with Flask",
        5000,
        "Split a web application into small services that are built, tested and deployed on their own.\n\n\
         You write four services in Python, put each into a container, let them talk over HTTP and a queue, and watch what \
         happens when one of them is slow. Bring some Flask and a terminal.",
        "# One service\n\nStart with the smallest thing that can be deployed: one route, one test, one container.\n\n\
         ```\n@app.get(\"/ping\")\ndef ping():\n    return {\"message\": \"pong\"}\n```\n\n\
         ## What to watch\n\n- how long it takes to **start**\n- what it does when its database is *not there yet*\n- who restarts it",
    ),
    (
        "django-channels",
        "Real time with Django Channels",
        4000,
        "Push news to the browser the moment it happens.\n\n\
         From the first WebSocket to groups, presence and background workers: you build a taxi dispatcher whose drivers and \
         riders see each other move, and test it as thoroughly as any other Django application.",
        "# The first WebSocket\n\nA WebSocket is one long request. The server may speak first.\n\n\
         1. Accept the connection.\n2. Join a group.\n3. Answer what arrives.\n\n\
         > A consumer is to a WebSocket what a view is to a request.",
    ),
];

/// Writes what is missing. Existing data stays as it is, so this can run at every start.
///
/// # Errors
/// If DynamoDB fails.
pub async fn write(app: &App) -> Result<String, Failure> {
    let mut seller = None;
    for fixture in USERS {
        let user = user(app, &fixture).await?;
        if fixture.is_seller {
            seller = Some(user.id);
        }
    }
    let seller = seller.ok_or("the fixtures have no seller")?;
    for (slug, title, cents, description, lesson) in COURSES {
        let course = course(app, &seller, slug, title, cents, description)?;
        if app.store.add_course(&course, &[]).await? == Written::Yes {
            app.store.put_content(&course.id, &Content { markdown: lesson.to_owned(), updated_at: course.created_at }).await?;
        }
    }
    let emails = USERS.map(|fixture| fixture.email).join(", ");
    Ok(format!("test users, password {PASSWORD}: {emails}; courses: {}", COURSES.map(|course| course.0).join(", ")))
}

async fn user(app: &App, fixture: &Fixture) -> Result<User, Failure> {
    let email = Email::parse(fixture.email)?;
    if let Some(user) = app.store.user_by_email(&email).await? {
        return Ok(user);
    }
    let hash = password::hash(PASSWORD.to_owned(), &app.entropy).await;
    let new = User::new(UserId::generate(&app.entropy), &email, &hash, app.clock.now());
    let user = User { email_confirmed: true, is_seller: fixture.is_seller, is_staff: fixture.is_staff, ..new };
    match app.store.add_user(&user, &email, &hash, None, None).await? {
        Written::Yes => Ok(user),
        Written::No(_) => Err(format!("{} signed up at the same moment; run this again", fixture.email).into()),
    }
}

fn course(app: &App, seller: &UserId, slug: &str, title: &str, cents: i64, description: &str) -> Result<Course, Failure> {
    let now = app.clock.now();
    Ok(Course {
        id: CourseId::generate(seller, now, &app.entropy),
        slug: slug.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        price: Price { amount: cents, currency: Currency::Usd },
        fee_percent: FeePercent::try_from(50)?,
        payees: Vec::new(),
        proposed: None,
        seller_id: seller.clone(),
        published: true,
        created_at: now,
        updated_at: now,
        version: 1,
        deleted: false,
        taken_down: None,
        renames: 0,
    })
}
