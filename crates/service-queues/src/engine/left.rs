//! What deleted and purged queues leave behind.
//!
//! Lives here: removing it, in batches.
//! Does not live here: when that is done (`catalogue`), which rows they are (`keys`).

use store::{Batch, Direction, PageLimit};

use super::catalogue::{Catalogue, CatalogueError, REMOVED_ROWS_MAX};
use super::keys::{self, ContentsId};

impl Catalogue {
    pub(super) async fn remove_all_left(&self) -> Result<(), CatalogueError> {
        let store = self.store();
        let range = keys::all_left();
        loop {
            let limit = PageLimit::rows(REMOVED_ROWS_MAX);
            let page = store.scan(&range, Direction::Forward, limit).await?;
            if page.rows.is_empty() {
                return Ok(());
            }
            for row in &page.rows {
                if let Ok(contents) = keys::read_left(&row.key) {
                    self.remove_contents(contents).await?;
                }
                store.commit(Batch::new().delete(row.key.clone())).await?;
            }
        }
    }

    async fn remove_contents(&self, contents: ContentsId) -> Result<(), CatalogueError> {
        let store = self.store();
        for range in contents.everything() {
            loop {
                let limit = PageLimit::rows(REMOVED_ROWS_MAX);
                let page = store.scan(&range, Direction::Forward, limit).await?;
                if page.rows.is_empty() {
                    break;
                }
                let rows = page.rows.into_iter();
                let batch = rows.fold(Batch::new(), |batch, row| batch.delete(row.key));
                store.commit(batch).await?;
            }
        }
        Ok(())
    }
}
