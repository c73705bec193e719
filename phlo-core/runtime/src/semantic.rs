//! Semantic models: named queries over published tables, that plugins give. `phlo sql` reads them as `semantic.NAME`.

use phlo_engine::session::{register, view};
use phlo_engine::{Query, Session};
use phlo_plugin::kinds::SemanticModel;
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, Code, Diagnostic, Diagnostics, PluginKind};

use crate::platform::{Platform, of_plugin};

/// The group that models have in SQL.
const GROUP: &str = "semantic";

/// A model, and the plugin that gives it.
#[derive(Debug, Clone)]
pub struct Model {
    /// The plugin.
    pub plugin: String,
    /// The model.
    pub model: SemanticModel,
    /// Its name in SQL.
    pub key: AssetKey,
    /// Its query, if it has one.
    pub query: Option<Query>,
}

impl Platform {
    /// The models of every plugin, sorted by name; and what is wrong with others, which are not among them. A plugin that gives none
    /// because it failed is a warning, a model or settings that are wrong an error.
    pub fn models(&self) -> (Vec<Model>, Diagnostics) {
        let (mut models, mut problems) = (Vec::<Model>::new(), Diagnostics::default());
        let (instances, failed) = self.inner.registry.instances(PluginKind::Semantic);
        problems.extend(failed.into_iter().map(of_plugin));
        for (registration, instance) in instances {
            let Instance::Semantic(plugin) = instance else { continue };
            let name = registration.name;
            match guard(name, "listing its models", || plugin.models()) {
                Err(err) => problems.push(of_plugin(err)),
                Ok(given) => {
                    for model in given {
                        match self.model(name, model, &models) {
                            Ok(model) => models.push(model),
                            Err(problem) => problems.push(*problem),
                        }
                    }
                }
            }
        }
        models.sort_by(|a, b| a.key.cmp(&b.key));
        (models, problems)
    }

    fn model(&self, plugin: &str, model: SemanticModel, before: &[Model]) -> Result<Model, Box<Diagnostic>> {
        let settings = self.inner.project.plugin_settings.get(&(PluginKind::Semantic, plugin.to_owned()));
        let told = |mut problem: Diagnostic| {
            problem.message = format!("the model `{}` of `{plugin}`: {}", model.name, problem.message);
            // A place in a query that stands in no file helps nobody.
            problem.place = settings.and_then(phlo_spec::Node::place);
            Box::new(problem)
        };
        let key = AssetKey::new(format!("{GROUP}.{}", model.name))
            .map_err(|err| told(Diagnostic::error(Code::InvalidKeyName, err.to_string())))?;
        if let Some(other) = before.iter().find(|other| other.key == key) {
            return Err(told(Diagnostic::error(
                Code::DuplicateAsset,
                format!("the plugin `{}` gives a model of this name too", other.plugin),
            )));
        }
        if self.asset(&key).is_some() {
            return Err(told(Diagnostic::error(Code::DuplicateAsset, format!("there is an asset `{key}`"))));
        }
        let query = model.sql.as_ref().map(|sql| Query::parse(sql, key.as_str())).transpose();
        let query = query.map_err(|problem| told(*problem))?;
        Ok(Model { plugin: plugin.to_owned(), model, key, query })
    }

    /// Where the settings of a model's plugin stand, for problems of the model.
    pub(crate) fn told_of_model(&self, model: &Model, err: Error) -> Diagnostic {
        let settings = self.inner.project.plugin_settings.get(&(PluginKind::Semantic, model.plugin.clone()));
        let mut problem = err.into_diagnostic();
        problem.message = format!("the model `{}` of `{}`: {}", model.model.name, model.plugin, problem.message);
        problem.place = settings.and_then(phlo_spec::Node::place);
        problem
    }

    /// Registers a model under its key, if there is one of that key, over the published tables that it reads.
    ///
    /// # Errors
    /// A table that it reads does not exist, or its query does not plan.
    pub(crate) async fn register_model(&self, session: &Session, key: &AssetKey) -> Result<bool> {
        if key.group() != GROUP {
            return Ok(false);
        }
        let (models, _) = self.models();
        let Some(model) = models.into_iter().find(|model| model.key == *key) else { return Ok(false) };
        let Some(query) = &model.query else {
            return Err(Error::new(
                Code::UnknownTable,
                format!("the model `{key}` of `{}` has no query", model.plugin),
            )
            .hint(format!("`phlo semantic show {}` shows what it has", model.model.name)));
        };
        for (table, _) in query.tables() {
            let (store, _) = self.table_store(self.asset(table), None)?;
            match store.provider(table, None).await? {
                Some(provider) => register(session, table, provider)?,
                None => {
                    return Err(Error::from(self.told_of_model(&model, self.no_table(table).await)));
                }
            }
        }
        let plan = query.plan(session).await.map_err(|problem| self.told_of_model(&model, Error::from(problem)))?;
        register(session, key, view(plan))?;
        Ok(true)
    }
}
