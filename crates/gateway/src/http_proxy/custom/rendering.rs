//! Where templates are rendered.
//!
//! Lives here: what is rendered at once, and what waits for a thread that may take its time.
//! Does not live here: how much a rendering may take (`mapping_templates`), what templates are given (`request`).

use std::sync::Arc;
use std::time::Duration;

use mapping_templates::{RenderError, Rendered, Template};
use tokio::sync::Semaphore;

use super::Fault;
use super::request::Given;

/// Long renderings at once. Others wait in line for as long as their integrations may take.
const LONG_AT_ONCE_MAX: usize = 2;

/// Renders templates. Nearly all are short, and rendered where their request is served; one that turns out to be long is begun
/// anew elsewhere, since a thread that serves requests has other connections to look after.
#[derive(Debug)]
pub(crate) struct Renderings {
    long: Arc<Semaphore>,
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotRendered {
    Bad(RenderError),
    /// Others were rendered for too long.
    Waited,
}

impl Default for Renderings {
    fn default() -> Self {
        Self {
            long: Arc::new(Semaphore::new(LONG_AT_ONCE_MAX)),
        }
    }
}

impl NotRendered {
    pub(super) fn of(self, which: &'static str, content_type: &str) -> Fault {
        let content_type = content_type.to_owned();
        match self {
            Self::Bad(error) => Fault::Render {
                which,
                content_type,
                error,
            },
            Self::Waited => Fault::Waited {
                which,
                content_type,
            },
        }
    }
}

impl Renderings {
    /// Renders a template, which waits no longer than this to begin. One that nobody waits for any more is rendered to its
    /// end, which its own limits bring about.
    pub(super) async fn render(
        &self,
        template: &Template,
        given: Given,
        wait_max: Duration,
    ) -> Result<Rendered, NotRendered> {
        let made = template.render_short(&given.input(&given.text()));
        if let Some(made) = made.map_err(NotRendered::Bad)? {
            return Ok(made);
        }
        let place = Arc::clone(&self.long).acquire_owned();
        let place = tokio::time::timeout(wait_max, place).await;
        let Ok(Ok(place)) = place else {
            return Err(NotRendered::Waited);
        };
        let template = template.clone();
        let rendering = tokio::task::spawn_blocking(move || {
            // The place is given back when the work is done, whether somebody still waits for it or not.
            let _place = place;
            template.render(&given.input(&given.text()))
        });
        match rendering.await {
            Ok(made) => made.map_err(NotRendered::Bad),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The server stops; nobody waits for this.
                Err(_) => Err(NotRendered::Waited),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_rendering_leaves_the_thread_to_others() {
        let renderings = Renderings::default();
        let wait_max = Duration::from_secs(60);
        let long = "#foreach($i in [1..1000])#foreach($j in [1..100])$i#end#end";
        let long = Template::parse(long).unwrap();
        let rendering = renderings.render(&long, Given::of_text("{}"), wait_max);
        let others = async {
            let mut turns = 0_u32;
            while renderings.long.available_permits() < LONG_AT_ONCE_MAX {
                tokio::time::sleep(Duration::from_millis(1)).await;
                turns += 1;
            }
            turns
        };
        let (made, turns) = tokio::join!(rendering, others);
        assert_eq!(made.unwrap().text.len(), 289_300);
        assert!(1 < turns, "nobody else had a turn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_rendering_waits_no_longer_than_its_integration_may_take() {
        let renderings = Renderings::default();
        let places = u32::try_from(LONG_AT_ONCE_MAX).unwrap();
        let taken = Arc::clone(&renderings.long).acquire_many_owned(places);
        let taken = taken.await.unwrap();
        let render = async |text: &str| {
            let template = Template::parse(text).unwrap();
            let wait_max = Duration::from_secs(3);
            let made = renderings.render(&template, Given::of_text("{}"), wait_max);
            made.await.map(|made| made.text)
        };
        let long = "#foreach($i in [1..1000])#foreach($j in [1..100])$i#end#end";
        assert_eq!(render(long).await, Err(NotRendered::Waited));
        assert_eq!(render("short").await.as_deref(), Ok("short"));
        drop(taken);
    }
}
