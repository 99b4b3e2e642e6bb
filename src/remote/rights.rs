//! The rights of a key in the words of the admin screen, with the English ones of the documentation (microcms-facts 1.1).

/// To list media.
pub const MEDIA: &str = "メディアの取得 (Retrieve Media)";
/// To list contents, and to ask for one.
pub const CONTENTS: &str = "コンテンツの取得 (一覧・詳細) (Retrieve Content, List/Detail)";
/// To list APIs, and to read their schemas.
pub const APIS: &str = "API情報の取得（一覧・詳細） (Retrieve API Information)";
/// Where the rights of the Management API are granted.
pub const PLACE: &str =
    "○個のAPIキー (API keys) > the key > tab マネジメントAPI（ベータ） (Management API)";
/// What tells which rights there are.
pub const TRY_EACH: &str = "`microcms-backup doctor` tries each";
