//! `POST /courses`

use lambda_http::http::header::LOCATION;
use shared::app::App;
use shared::course::{Course, slug_of};
use shared::entropy::Entropy;
use shared::error::Error;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, request, response};
use shared::ids::CourseId;
use shared::store::Written;

use crate::fields::Fields;

/// How many numbered slugs are tried before random ones, and how many of those.
const NUMBERED: u32 = 9;
const RANDOM: u32 = 4;

/// Adds a course of the seller's. Two trips to DynamoDB: who asks, and course and slug in one transaction. Where the
/// slug is made from the title, each that is taken costs one more.
pub(crate) async fn create(app: &App, request: &Request) -> Result<Response, Error> {
    let seller = identity::user(request, app).await?;
    if !seller.is_seller {
        return Err(Error::NotASeller);
    }
    let fields: Fields = request::json(request)?;
    let (title, price) = fields.required()?;
    let now = app.clock.now();
    let mut course = Course {
        id: CourseId::generate(&seller.id, now, &app.entropy),
        slug: slug_of(title),
        title: title.to_owned(),
        description: String::new(),
        price,
        fee_percent: app.config.default_fee_percent,
        payees: Vec::new(),
        seller_id: seller.id,
        published: true,
        created_at: now,
        updated_at: now,
        version: 1,
        deleted: false,
    };
    fields.apply(&mut course)?;
    fields.check_payees(app).await?;

    if fields.slug()?.is_some() {
        match app.store.add_course(&course).await? {
            Written::Yes => {}
            Written::No(_) => return Err(Error::SlugTaken),
        }
    } else {
        add_with_free_slug(app, &mut course).await?;
    }
    let location = format!("{}/courses/{}", app.config.public_api_url, course.slug);
    let mut response = response::json(201, &CourseView::new(course, None));
    response.headers_mut().extend(location.parse().ok().map(|location| (LOCATION, location)));
    Ok(response)
}

/// Adds the course under the first slug that is free: the title's, then numbered, then with a random ending.
async fn add_with_free_slug(app: &App, course: &mut Course) -> Result<(), Error> {
    let base = course.slug.clone();
    for try_number in 1..=NUMBERED + RANDOM {
        course.slug = match try_number {
            1 => base.clone(),
            number @ ..=NUMBERED => format!("{base}-{number}"),
            _ => format!("{base}-{}", random_ending(&app.entropy)),
        };
        if app.store.add_course(course).await? == Written::Yes {
            return Ok(());
        }
    }
    Err(Error::SlugTaken)
}

fn random_ending(entropy: &Entropy) -> String {
    entropy.bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect()
}
