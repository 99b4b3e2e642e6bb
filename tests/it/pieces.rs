//! Files that arrive in pieces of every size are put together in their order.

use crate::support::{Expect as _, Sandbox, assert_holds};
use microcms_sim::Sim;

#[tokio::test(flavor = "multi_thread")]
async fn files_longer_than_a_buffer_keep_the_order_of_their_bytes() {
    // How the network cuts an answer is chance: enough files meet every way.
    let sim = Sim::builder()
        .media(50)
        .media_size(200_000..=900_000)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}
