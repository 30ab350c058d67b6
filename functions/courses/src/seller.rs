//! Sellers' pages: `GET /sellers/{handle}`, and `GET` and `PATCH /users/me/page`.

use serde::Deserialize;
use shared::app::App;
use shared::base::text;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::seller_page::{HANDLES_MAX, LINK_TITLE_MAX, LINK_URL_MAX, LINKS_MAX, Link, NAME_MAX, SellerPage, TEXT_MAX, sound_url};
use shared::domain::slug::HANDLES;
use shared::http::request::Object;
use shared::http::view::SellerPageView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::seller_pages::{NOT_SELLING, RACED};

/// How many times to retry when a concurrent write wins.
const TRIES: u32 = 5;

/// `GET /sellers/{handle}`: what everybody sees, under every handle that the seller had. Two trips to DynamoDB: whose the handle is, then
/// the page. Its courses are `GET /courses?seller=…`, its membership `GET /sellers/{id}/membership`.
pub(crate) async fn show(app: &App, request: &Request, handle: &str) -> Result<Response, Error> {
    const NOT_FOUND: Error = Error::NotFound("seller");
    let seller = app.store.owner_of_handle(handle).await?.ok_or(NOT_FOUND)?;
    let page = app.store.page_of(&seller).await?.filter(|page| !page.hidden).ok_or(NOT_FOUND)?;
    Ok(response::shared(request, &SellerPageView::from(page)))
}

/// `GET /users/me/page`: one trip to DynamoDB, with user and page read in parallel. Without a page, its fields are empty.
pub(crate) async fn own(app: &App, request: &Request) -> Result<Response, Error> {
    let (seller, page) = seller_and_page(app, request).await?;
    Ok(response::json(200, &page.map_or_else(|| SellerPageView::none(seller), SellerPageView::from)))
}

/// The fields of a request. Missing fields stay unchanged.
#[derive(Deserialize)]
struct Fields {
    handle: Option<String>,
    name: Option<String>,
    text: Option<String>,
    links: Option<Vec<Object<LinkFields>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkFields {
    title: String,
    url: String,
}

/// `PATCH /users/me/page`: changes the given fields; the first time, it makes the page, which needs a name. Without a handle, one is derived
/// from it. Two trips to DynamoDB: user and page, then the change. Both are repeated for each concurrent change that wins, and the second
/// for each derived handle that somebody has.
pub(crate) async fn edit(app: &App, request: &Request) -> Result<Response, Error> {
    let (seller, mut seen) = seller_and_page(app, request).await?;
    let fields: Fields = request::json(request)?;
    for _ in 0..TRIES {
        let outcome = match &seen {
            Some(page) => change(app, page, &fields).await?,
            None => make(app, &seller, &fields).await?,
        };
        if let Some(page) = outcome {
            return Ok(response::json(200, &SellerPageView::from(page)));
        }
        seen = app.store.page_of(&seller).await?;
    }
    Err(Error::Conflict)
}

async fn seller_and_page(app: &App, request: &Request) -> Result<(UserId, Option<SellerPage>), Error> {
    let session = identity::required(request, &app.config)?;
    let (user, page) = tokio::join!(identity::user(request, app), app.store.page_of(session.token.user_id()));
    let user = user?;
    if user.is_seller { Ok((user.id, page?)) } else { Err(Error::NotASeller) }
}

/// The page as written; `None` if another request was first.
async fn change(app: &App, seen: &SellerPage, fields: &Fields) -> Result<Option<SellerPage>, Error> {
    let mut page = seen.clone();
    fields.apply(&mut page)?;
    let is_taken = match fields.handle()? {
        Some(handle) => {
            page.rename(handle).ok_or_else(|| Error::InvalidRequest(format!("handle: a seller can have {HANDLES_MAX} of them")))?
        }
        None => false,
    };
    if page == *seen {
        return Ok(Some(page));
    }
    page.version += 1;
    page.updated_at = app.clock.now();
    match app.store.write_page(Some(seen.version), &page, is_taken).await? {
        Written::Yes => Ok(Some(page)),
        Written::No(RACED) => Ok(None),
        Written::No(NOT_SELLING) => Err(Error::NotASeller),
        Written::No(_) => Err(Error::HandleTaken),
    }
}

/// The same for a page that is not there yet.
async fn make(app: &App, seller: &UserId, fields: &Fields) -> Result<Option<SellerPage>, Error> {
    let now = app.clock.now();
    let mut page = SellerPage {
        seller_id: seller.clone(),
        handle: String::new(),
        former_handles: Vec::new(),
        name: String::new(),
        text: String::new(),
        links: Vec::new(),
        hidden: false,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    fields.apply(&mut page)?;
    if page.name.is_empty() {
        return Err(Error::InvalidRequest("missing field `name`".to_owned()));
    }
    let handles: Vec<String> = match fields.handle()? {
        Some(handle) => vec![handle.to_owned()],
        None => HANDLES.candidates(&page.name, &app.entropy).collect(),
    };
    for handle in handles {
        page.handle = handle;
        match app.store.write_page(None, &page, true).await? {
            Written::Yes => return Ok(Some(page)),
            Written::No(RACED) => return Ok(None),
            Written::No(NOT_SELLING) => return Err(Error::NotASeller),
            Written::No(_) => {}
        }
    }
    Err(Error::HandleTaken)
}

impl Fields {
    fn handle(&self) -> Result<Option<&str>, Error> {
        let Some(handle) = self.handle.as_deref() else { return Ok(None) };
        HANDLES.check(handle).map_err(Error::InvalidRequest)?;
        Ok(Some(handle))
    }

    /// Writes the given fields into a page, all but the handle.
    fn apply(&self, page: &mut SellerPage) -> Result<(), Error> {
        let invalid = |fault: String| Err(Error::InvalidRequest(fault));
        let hidden = "visible text, without control characters and overrides of direction";
        if let Some(name) = &self.name {
            let Some(name) = text::line(name, NAME_MAX) else {
                return invalid(format!("name must be one line of 1 to {NAME_MAX} characters, without hidden ones"));
            };
            name.clone_into(&mut page.name);
        }
        if let Some(given) = &self.text {
            if given.chars().count() > TEXT_MAX {
                return invalid(format!("text must have at most {TEXT_MAX} characters"));
            }
            if !text::is_sound(given) {
                return invalid(format!("text must be {hidden}"));
            }
            given.trim().clone_into(&mut page.text);
        }
        if let Some(links) = &self.links {
            if links.len() > LINKS_MAX {
                return invalid(format!("links: a page has at most {LINKS_MAX}"));
            }
            let link = |(at, Object(link)): (usize, &Object<LinkFields>)| -> Result<Link, Error> {
                let title = text::line(&link.title, LINK_TITLE_MAX).ok_or_else(|| {
                    Error::InvalidRequest(format!(
                        "links[{at}].title must be one line of 1 to {LINK_TITLE_MAX} characters, without hidden ones"
                    ))
                })?;
                let url = sound_url(&link.url).ok_or_else(|| {
                    Error::InvalidRequest(format!(
                        "links[{at}].url must be an address of a site with https, at most {LINK_URL_MAX} characters"
                    ))
                })?;
                Ok(Link { title: title.to_owned(), url })
            };
            page.links = links.iter().enumerate().map(link).collect::<Result<_, Error>>()?;
        }
        Ok(())
    }
}
