//! The key's rights as the admin screen names them (microcms-facts 1.1 and 2.2).

use crate::remote::rights;

/// One right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Right {
    /// As the admin screen shows it, with the English name of the documentation.
    pub(crate) name: &'static str,
    /// Where it is granted.
    place: &'static str,
    /// What the backup lacks without it.
    without: &'static str,
}

const MANAGEMENT: &str = "tab マネジメントAPI（ベータ） (Management API)";
const CONTENT: &str = "デフォルト権限 or 個別権限 (default or per-API permissions)";

pub(crate) const MEDIA: Right = Right {
    name: rights::MEDIA,
    place: MANAGEMENT,
    without: "the media library cannot be listed",
};
pub(crate) const CONTENTS: Right = Right {
    name: rights::CONTENTS,
    place: MANAGEMENT,
    without: "no content can be listed, and no deletion proven",
};
pub(crate) const APIS: Right = Right {
    name: rights::APIS,
    place: MANAGEMENT,
    without: "APIs are backed up only if `service.endpoints` names them, and without their schemas",
};
/// Not needed by a backup; it tells the service's name.
pub(crate) const SERVICE: &str = "サービス情報の取得 (Retrieve Service Information)";
pub(crate) const GET: Right = Right {
    name: "GET",
    place: CONTENT,
    without: "bodies cannot be saved",
};
pub(crate) const ALL_CLOSED: Right = Right {
    name: "公開終了コンテンツの全取得 (all closed contents)",
    place: CONTENT,
    without: "the bodies of closed contents cannot be saved",
};
pub(crate) const ALL_DRAFTS: &str = "下書きコンテンツの全取得 (all drafts)";
/// What a backup loses by that right, and where it is taken away.
pub(crate) const TAKE_AWAY: &str = "admin screen: ○個のAPIキー (API keys) > the key > デフォルト権限 or 個別権限 \
     (default or per-API permissions): switch it off. Drafts are saved without it, each by its own draft key";

impl Right {
    /// Says what is missing without it and where it is granted.
    pub(crate) fn help(&self) -> String {
        format!(
            "without it {}; admin screen: ○個のAPIキー (API keys) > the key > {}",
            self.without, self.place
        )
    }
}
