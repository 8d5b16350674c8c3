//! Two runs that delete one pool at once, with the answers of a real GARM.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runnerctl::garm::{Method, Request, Response, ResponseFuture, Transport};
use serde_json::Value;

use crate::support::apply::{ApplyRig, retire};

/// What the slower of two deletes observes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meets {
    /// The pool disappears between GARM's own reads: the DELETE is answered with 404.
    NotFound,
    /// The pool's labels are deleted already, the pool is not.
    NoLabels,
}

/// Deletes a pool immediately before another run reads or deletes it.
struct Slower {
    inner: Arc<dyn Transport>,
    meets: Meets,
    /// The number of reads of the pool that pass first.
    reads: AtomicUsize,
}

impl Slower {
    fn new(inner: Arc<dyn Transport>, meets: Meets) -> Arc<Self> {
        Arc::new(Self { inner, meets, reads: AtomicUsize::new(1) })
    }

    async fn delete_first(&self, request: &Request) {
        let delete = Request { method: Method::Delete, ..request.clone() };
        self.inner.send(delete).await.unwrap();
    }

    async fn without_labels(&self, request: Request) -> Response {
        let mut answer = self.inner.send(request.clone()).await.unwrap();
        self.delete_first(&request).await;
        let mut pool: Value = serde_json::from_slice(&answer.body).unwrap();
        pool.as_object_mut().unwrap().remove("tags");
        answer.body = pool.to_string().into_bytes();
        answer
    }

    async fn not_found(&self, request: Request) -> Response {
        let answer = self.inner.send(request).await.unwrap();
        let body = r#"{"error":"Not Found","details":"error deleting pool: not found"}"#;
        Response { status: 404, body: body.into(), ..answer }
    }
}

impl Transport for Slower {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let is_pool = request.path.starts_with("/pools/");
            match (self.meets, request.method) {
                (Meets::NotFound, Method::Delete) if is_pool => Ok(self.not_found(request).await),
                (Meets::NoLabels, Method::Get)
                    if is_pool && self.reads.fetch_sub(1, Ordering::SeqCst) == 0 =>
                {
                    Ok(self.without_labels(request).await)
                }
                _ => self.inner.send(request).await,
            }
        })
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

async fn check(meets: Meets, expected: &str) {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    let door = Slower::new(rig.door(), meets);
    let told = rig.apply_through(door, vec![retire("default", &pool.id)]).await;
    assert_eq!(told, [expected]);
    assert_eq!(rig.pools().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_another_run_deletes_between_garms_own_reads_is_deleted() {
    check(Meets::NotFound, "default delete done").await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_in_the_middle_of_its_deletion_is_gone_a_moment_later() {
    check(Meets::NoLabels, "default delete already done: already deleted").await;
}
