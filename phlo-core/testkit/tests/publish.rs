//! Publish targets: what the registry makes of them, and that the suite finds each promise broken.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use phlo_plugin::prelude::*;
use phlo_plugin::publish::AnyPublishTarget;
use phlo_plugin::registration::Instance;
use phlo_plugin::{KnownPlugin, Policy, Registration, Registry};
use phlo_testkit::doubles::{self, leak};
use phlo_testkit::fixture::rows;
use phlo_testkit::publish::Case;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

/// A place in memory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Its name.
    name: String,
    /// The call that panics.
    #[serde(default)]
    panics_in: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    ShowsHalf,
    HidesFailure,
    AnotherError,
    Count,
    Litter,
    LosesOrder,
    Appends,
    OldReceipt,
    NoTypes,
}

/// A target in memory, with a lie.
#[derive(Clone)]
struct Shelf {
    lie: Lie,
    there: Arc<Mutex<Option<Vec<String>>>>,
    litter: Arc<AtomicU32>,
    version: Arc<AtomicU32>,
}

impl Shelf {
    fn new(lie: Lie) -> Self {
        Self { lie, there: Arc::default(), litter: Arc::default(), version: Arc::default() }
    }
}

fn panics(config: &Place, call: &str) {
    assert!(config.panics_in.as_deref() != Some(call), "it was told to");
}

#[async_trait]
impl PublishTarget for Shelf {
    type Config = Place;

    fn validate(&self, config: &Place) -> Result<()> {
        panics(config, "parse");
        if config.name.is_empty() {
            Err(Error::new(Code::InvalidValue, "`name` is empty").hint("write a name"))
        } else {
            Ok(())
        }
    }
    fn location(&self, config: &Place) -> String {
        panics(config, "location");
        config.name.clone()
    }
    fn accepts(&self, config: &Place, _: &SchemaRef) -> Result<()> {
        panics(config, "accepts");
        if self.lie == Lie::NoTypes { Err(Error::new(Code::Unsupported, "no")) } else { Ok(()) }
    }
    async fn test_connection(&self, config: &Place, _: &PublishContext) -> Result<()> {
        panics(config, "connection");
        Ok(())
    }
    async fn is_current(&self, config: &Place, _: &PublishContext, receipt: &serde_json::Value) -> Result<bool> {
        panics(config, "current");
        Ok(self.lie == Lie::OldReceipt || *receipt == self.version.load(Ordering::Relaxed))
    }
    async fn publish(
        &self,
        config: &Place,
        _: &PublishContext,
        _: SchemaRef,
        mut batches: BatchStream,
    ) -> Result<Published> {
        panics(config, "publish");
        let mut all = match self.lie {
            Lie::Appends => self.there.lock().unwrap().clone().unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut count = 0;
        while let Some(batch) = batches.next().await {
            match (batch, self.lie) {
                (Err(_), Lie::HidesFailure) => break,
                (Err(_), Lie::AnotherError) => return Err(Error::new(Code::StorageFailed, "something")),
                (Err(err), lie) => {
                    self.litter.fetch_add(u32::from(lie == Lie::Litter), Ordering::Relaxed);
                    return Err(err);
                }
                (Ok(batch), lie) => {
                    count += batch.num_rows() as u64;
                    all.extend(rows([&batch]));
                    if lie == Lie::ShowsHalf {
                        *self.there.lock().unwrap() = Some(all.clone());
                    }
                }
            }
        }
        if self.lie == Lie::LosesOrder {
            all.reverse();
        }
        *self.there.lock().unwrap() = Some(all);
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        let rows = count + u64::from(self.lie == Lie::Count);
        Ok(Published { rows, bytes: 1, location: config.name.clone(), receipt: Some(version.into()) })
    }
}

struct Shelves;

impl Plugin for Shelves {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Resource for Shelves {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::publish_target("shelf", Shelf::new(Lie::None))])
    }
}

const SHELVES: Registration = Registration {
    name: "shelves",
    provides: &["publish_target:shelf"],
    config: Some(|| schema_for!(Place)),
    construct: |_, _| Ok(Instance::Resource(Arc::new(Shelves))),
    ..doubles::RESOURCE
};

fn registry(policy: Policy) -> Registry {
    const KNOWN: &[KnownPlugin] = &[KnownPlugin {
        kind: "resource",
        name: "postgres",
        package: "phlo-publish-postgres",
        feature: "publish-postgres",
        summary: "",
        linked: false,
    }];
    let all = vec![leak(SHELVES), leak(Registration { name: "numbers", ..doubles::SOURCE })];
    Registry::from_registrations(all, &[], KNOWN).unwrap().activate(policy, InitContext::at("/nowhere")).unwrap()
}

async fn found(lie: Lie) -> Vec<String> {
    let shelf = Shelf::new(lie);
    let (there, litter) = (shelf.there.clone(), shelf.litter.clone());
    let read = move || {
        let rows = there.lock().unwrap().clone();
        Box::pin(std::future::ready(rows)) as futures::future::BoxFuture<'_, _>
    };
    let left = move || {
        let names = (0..litter.load(Ordering::Relaxed)).map(|n| n.to_string()).collect();
        Box::pin(std::future::ready(names)) as futures::future::BoxFuture<'_, _>
    };
    let target: Arc<dyn AnyPublishTarget> = Arc::new(shelf);
    let case = Case::of("shelf", target, "name: s", read, left).refuses("name: ''", "name").refuses("{}", "name");
    case.check().await.broken().to_vec()
}

#[tokio::test]
async fn targets_are_held_to_each_promise() {
    assert_eq!(found(Lie::None).await, [""; 0]);
    for (lie, text) in [
        (Lie::ShowsHalf, "after rows that failed behind 1 batches readers find"),
        (Lie::HidesFailure, "it publishes 0 batches though the next one failed"),
        (Lie::AnotherError, "the error of the rows does not come back"),
        (Lie::Count, "of 3 rows it says that it sent 4"),
        (Lie::Litter, "after rows that failed it leaves"),
        (Lie::LosesOrder, "after the first publication readers find"),
        (Lie::Appends, "published once more readers find"),
        (Lie::OldReceipt, "after another one, whether it is current is answered with Some(true)"),
        (Lie::NoTypes, "taking columns of plain types"),
    ] {
        let found = found(lie).await;
        assert!(found.iter().any(|finding| finding.starts_with(text)), "{text}: {found:#?}");
    }
}

#[test]
fn a_target_that_is_not_there_is_told_with_the_next_step() {
    let told = |registry: &Registry, name: &str| {
        let err = registry.publish_target(name).err().unwrap();
        format!("{}: {} [{}]", err.code(), err.message(), err.hints().join("; "))
    };
    let registry = registry(Policy::default());
    assert!(registry.publish_target("shelf").is_ok());
    assert_eq!(told(&registry, "shlef"), "P2001: unknown publish target `shlef` [did you mean `shelf`?]");
    assert_eq!(
        told(&registry, "postgres"),
        "P2001: the publish target `postgres` is not linked into this binary \
         [build with `--features phlo-bundle/publish-postgres`]"
    );
    assert_eq!(
        told(&registry, "numbers"),
        "P2001: unknown publish target `numbers` [available: postgres, shelf; \
         `numbers` is a source: it reads, and publishes nothing]"
    );
    let denied = self::registry(Policy { deny: vec!["shelves".to_owned()], ..Policy::default() });
    assert!(told(&denied, "shelf").starts_with("P2003: the resource `shelves` is not allowed"));
}

#[tokio::test]
async fn a_panic_anywhere_in_a_target_is_an_error_that_names_it() {
    let target = registry(Policy::default()).publish_target("shelf").unwrap();
    let context = PublishContext::at("/nowhere");
    let schema: SchemaRef = Arc::new(Schema::empty());
    for (call, doing) in [
        ("parse", "reading its config"),
        ("location", "telling its location"),
        ("accepts", "looking at a schema"),
        ("connection", "testing its connection"),
        ("current", "looking at what it published"),
        ("publish", "publishing"),
    ] {
        let node = Node::parse(&format!("{{name: s, panics_in: {call}}}"), "a.yaml", 1).unwrap();
        let outcome = async {
            let config = target.parse(&node)?;
            target.location(&config)?;
            target.accepts(&config, &schema)?;
            target.test_connection(&config, &context).await?;
            target.is_current(&config, &context, &1.into()).await?;
            target.publish(&config, &context, schema.clone(), futures::stream::empty().boxed()).await.map(drop)
        };
        let err = outcome.await.unwrap_err();
        assert_eq!(err.code(), Code::PluginPanicked, "{call}");
        assert_eq!(err.message(), format!("the plugin `shelf` panicked in {doing}: it was told to"));
    }
}
