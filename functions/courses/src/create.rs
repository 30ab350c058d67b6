//! `POST /courses`

use lambda_http::http::header::LOCATION;
use shared::app::App;
use shared::domain::audit::Entry;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::CourseId;
use shared::domain::slug::SLUGS;
use shared::http::view::CourseView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::courses::NO_MORE_SLUGS;

use crate::change::{entries, no_more_slugs};
use crate::fields::Fields;

/// Adds a course for the seller. Two trips to DynamoDB: the user, then course and slug in one transaction. If the slug is
/// derived from the title, each slug that is taken costs another trip.
///
/// Sellers who are staff may set the platform's fee and take the course down at once, with entries in the audit log as for a change. It needs
/// a password that was entered lately, which costs one more trip.
pub(crate) async fn create(app: &App, request: &Request) -> Result<Response, Error> {
    let seller = identity::in_role(identity::user(request, app).await?, &app.config);
    if !seller.is_seller {
        return Err(Error::NotASeller);
    }
    app.config.check_terms(&seller)?;
    let fields: Fields = request::json(request)?;
    if !seller.is_staff {
        fields.check_sellers()?;
    } else if fields.are_the_staffs() {
        identity::staff_with_password(request, app).await?;
    }
    let (title, price) = fields.required()?;
    let now = app.clock.now();
    let mut course = Course {
        id: CourseId::generate(&seller.id, now, &app.entropy),
        slug: SLUGS.derive(title),
        title: title.to_owned(),
        description: String::new(),
        price,
        fee_percent: app.config.default_fee_percent,
        payees: Vec::new(),
        proposed: None,
        seller_id: seller.id.clone(),
        published: true,
        created_at: now,
        updated_at: now,
        version: 1,
        deleted: false,
        taken_down: None,
        renames: 0,
    };
    fields.apply(&mut course)?;
    fields.check_price(app, &seller, &course)?;
    fields.check_sellable(app, &seller, &course)?;
    let of_a_seller = course.clone();
    fields.apply_staffs(&mut course, now)?;
    fields.check_payees(app, request, &seller, &course).await?;
    let entries = entries(app, &seller, &of_a_seller, &course);

    if fields.slug()?.is_some() {
        match app.store.add_course(&course, &entries).await? {
            Written::Yes => {}
            Written::No(NO_MORE_SLUGS) => return Err(no_more_slugs()),
            Written::No(_) => return Err(Error::SlugTaken),
        }
    } else {
        add_with_free_slug(app, &mut course, &entries).await?;
    }
    let location = format!("{}/courses/{}", app.config.public_api_url, course.slug);
    let mut response = response::json(201, &CourseView::of_its_own(course, None));
    response.headers_mut().extend(location.parse().ok().map(|location| (LOCATION, location)));
    Ok(response)
}

/// Adds the course under the first free slug that its title gives.
async fn add_with_free_slug(app: &App, course: &mut Course, entries: &[Entry]) -> Result<(), Error> {
    for slug in SLUGS.candidates(&course.title.clone(), &app.entropy) {
        course.slug = slug;
        match app.store.add_course(course, entries).await? {
            Written::Yes => return Ok(()),
            Written::No(NO_MORE_SLUGS) => return Err(no_more_slugs()),
            Written::No(_) => {}
        }
    }
    Err(Error::SlugTaken)
}
