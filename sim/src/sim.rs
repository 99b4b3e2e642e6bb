//! What a test can do with a running simulator.

use std::net::SocketAddr;

use crate::counters::{Counters, RequestRecord};
use crate::faults::{EditRule, Fault, FaultRule, Occasion, Target, When};
use crate::routes::{CUSTOM_FILE_HOST, CUSTOM_IMAGE_HOST};
use crate::server::Sim;
use crate::state::edits::{Edit, EditError};
use crate::truth::Truth;

impl Sim {
    /// Begins to describe a simulator.
    pub fn builder() -> crate::SimBuilder {
        crate::SimBuilder::default()
    }

    /// The service's id.
    #[must_use]
    pub fn service_id(&self) -> &str {
        &self.options.service_id
    }

    /// The main API key, as it is now.
    #[must_use]
    pub fn api_key(&self) -> String {
        self.shared
            .world()
            .keys
            .first()
            .map(|key| key.text.clone())
            .unwrap_or_default()
    }

    /// Where the Management API listens; in host mode, where everything does.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.addresses.management
    }

    /// The Management API's base URL, without a slash at the end.
    #[must_use]
    pub fn management_url(&self) -> String {
        match self.host_mode {
            Some(scheme) => format!("{scheme}://{}.microcms-management.io", self.service_id()),
            None => format!("http://{}", self.addresses.management),
        }
    }

    /// The Content API's base URL, without a slash at the end.
    #[must_use]
    pub fn content_url(&self) -> String {
        match self.host_mode {
            Some(scheme) => format!("{scheme}://{}.microcms.io", self.service_id()),
            None => format!("http://{}", self.addresses.content),
        }
    }

    /// The image host as it stands in URLs: host and port.
    #[must_use]
    pub fn image_host(&self) -> String {
        if self.host_mode.is_some() {
            "images.microcms-assets.io".into()
        } else {
            self.addresses.images.to_string()
        }
    }

    /// The file host as it stands in URLs: host and port.
    #[must_use]
    pub fn file_host(&self) -> String {
        if self.host_mode.is_some() {
            "files.microcms-assets.io".into()
        } else {
            self.addresses.files.to_string()
        }
    }

    /// The image host of the custom domain, host and port. It is in use after
    /// [`Edit::SwitchAssetHosts`].
    #[must_use]
    pub fn custom_image_host(&self) -> String {
        if self.host_mode.is_some() {
            CUSTOM_IMAGE_HOST.into()
        } else {
            self.addresses.custom_images.to_string()
        }
    }

    /// The file host of the custom domain, host and port.
    #[must_use]
    pub fn custom_file_host(&self) -> String {
        if self.host_mode.is_some() {
            CUSTOM_FILE_HOST.into()
        } else {
            self.addresses.custom_files.to_string()
        }
    }

    /// The base URL of a host that is not the service's, for redirects. It serves
    /// the same files, and counts the keys that reach it.
    #[must_use]
    pub fn foreign_url(&self) -> String {
        format!("http://{}", self.addresses.foreign)
    }

    /// The base URL of the admin listener.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.addresses.admin)
    }

    /// Changes the service now. Returns the id (or endpoint) of what was edited;
    /// of a new thing, its new id.
    ///
    /// # Errors
    /// If the edit does not fit the service; then nothing was changed.
    pub fn edit(&self, edit: Edit) -> Result<String, EditError> {
        self.shared.world().apply(edit)
    }

    /// Changes the service before or after the n-th matching request from now on (counted from 1).
    pub fn on(&self, target: impl Into<Target>, nth: u64, when: When, edit: Edit) {
        self.shared.world().faults.add_edit(EditRule {
            target: target.into(),
            nth,
            when,
            edit,
        });
    }

    /// Spoils matching requests, counted from 1 from now on.
    pub fn fault(&self, target: impl Into<Target>, occasion: impl Into<Occasion>, fault: Fault) {
        let rule = FaultRule {
            target: target.into(),
            occasion: occasion.into(),
            fault,
        };
        self.shared.world().faults.add_fault(rule);
    }

    /// Forgets all faults and all edits that still wait.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// What the service holds now.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.shared.world().truth()
    }

    /// The ids of all media, in the list's order.
    #[must_use]
    pub fn media_ids(&self) -> Vec<String> {
        self.shared
            .world()
            .media
            .iter()
            .map(|medium| medium.id)
            .collect()
    }

    /// The ids of all contents of an API, in the admin screen's order.
    #[must_use]
    pub fn content_ids(&self, endpoint: &str) -> Vec<String> {
        let world = self.shared.world();
        world
            .api(endpoint)
            .map(|api| api.contents().iter().map(|c| c.id.clone()).collect())
            .unwrap_or_default()
    }

    /// The sums of what clients did since the start or [`Sim::forget_requests`].
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Every request since the start or [`Sim::forget_requests`] (the first 200,000).
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.records()
    }

    /// Method and path of every request, without queries.
    #[must_use]
    pub fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(RequestRecord::line).collect()
    }

    /// Starts a new account of requests. Faults and budgets stay as they are.
    pub fn forget_requests(&self) {
        self.shared.ledger().forget();
    }
}
