//! Stable error codes, each with what it means, why it happens and how to mend it. `phlo explain CODE` prints these texts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody who meets a code wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// What happened.
    pub what: &'static str,
    /// Why it happens.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

macro_rules! codes {
    ($($variant:ident = $text:literal, $title:literal, $what:literal, $why:literal, $fix:literal;)+) => {
        /// A stable error code. P1 = files and the command line, P2 = plugins and capabilities, P3 = data and sources,
        /// P4 = tables, P5 = checks, P6 = runs, P7 = building binaries, P9 = faults of phlo itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $what] $variant),+
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The code as shown, e.g. `P1002`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text),+ }
            }

            /// A few words that name it.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }

            /// The long form.
            pub const fn explanation(self) -> Explanation {
                match self { $(Code::$variant => Explanation { what: $what, why: $why, fix: $fix }),+ }
            }
        }
    };
}

codes! {
    YamlSyntax = "P1001", "YAML syntax",
        "A file is not valid YAML.",
        "Indentation, a missing quote or bracket, or one key given twice in the same map.",
        "Mend the line that is shown; a text that holds `: ` or starts with a special character needs quotes.";
    UnknownKey = "P1002", "unknown key",
        "A key is not known at its place.",
        "It is misspelt, stands at the wrong level, or belongs to another plugin. phlo refuses it because a key that nobody reads would be silently ignored.",
        "Use the suggested key, or remove the line. `phlo plugin info NAME` lists a plugin's keys.";
    MissingKey = "P1003", "missing key",
        "A required key is absent.",
        "The value has no sensible default.",
        "Add the key.";
    InvalidValue = "P1004", "invalid value",
        "A value has the wrong type or is outside what is allowed.",
        "A number where a text is wanted, an unknown choice, a value out of range.",
        "Change the value as the message says; put a number that is meant as text in quotes.";
    UnsetVariable = "P1005", "variable without a value",
        "A `${NAME}` has neither a value nor a default.",
        "The variable is set neither in the environment nor in `.env`.",
        "Set it, add it to `.env`, or write `${NAME:-default}`.";
    NoProject = "P1006", "no project here",
        "There is no `phlo.yaml` in this folder or above it.",
        "The command needs a project.",
        "Change into the project, pass `--project DIR`, or start one with `phlo init`.";
    UnknownAsset = "P1007", "unknown asset",
        "A selection or a reference names an asset that is not in the project.",
        "It is misspelt, or its file is missing.",
        "Use the suggested name; `phlo status` lists the assets.";
    BadSelection = "P1008", "selection not understood",
        "A selection is not in the selection language.",
        "Known forms: `bronze.flights`, `silver.*`, `+x` (and upstream), `x+` (and downstream), `group:g`, `tag:t`, `kind:k`.",
        "Write one of these; several are joined.";
    DependencyCycle = "P1009", "dependency cycle",
        "Assets depend on each other in a circle.",
        "No order could build them.",
        "Break the circle at one of the assets that are shown.";
    DuplicateAsset = "P1010", "asset defined twice",
        "Two files or plugins define the same asset key.",
        "The key follows from the path; `a/b.sql` and `a/b.yaml` both are `a.b`.",
        "Rename or remove one of them.";
    UnreadableFile = "P1011", "file cannot be read",
        "A file of the project cannot be read or written.",
        "It does not exist, or permissions forbid it, or it is not UTF-8.",
        "Check the path and its permissions.";
    SqlError = "P1012", "SQL does not plan",
        "A SQL asset does not parse or does not fit the schemas of its upstream tables.",
        "A syntax error, an unknown table, column or function, or types that do not fit.",
        "Mend the SQL at the place that is shown.";
    UnknownTable = "P1013", "unknown table",
        "SQL reads a table that no asset makes and the store does not hold.",
        "It is misspelt, or its asset is missing.",
        "Use the suggested name, or add the asset.";
    InvalidKeyName = "P1014", "invalid asset key",
        "A path or name does not make an asset key.",
        "Keys have two or more parts of lower-case letters, digits and `_`, as in `bronze.flights`.",
        "Rename the file or folder.";
    InertConfig = "P1015", "configured and never executed",
        "Something is configured that nothing would execute.",
        "For instance two settings that exclude each other, or a setting of a plugin that is denied.",
        "Remove it, or enable what would read it.";
    Usage = "P1016", "command line",
        "The command line asks for something that cannot be.",
        "Options that exclude each other, or a value that does not parse.",
        "See `phlo COMMAND --help`.";
    UnknownCode = "P1017", "unknown code",
        "There is no such error code.",
        "Codes look like `P1002`.",
        "`phlo explain` lists them all.";

    UnknownPlugin = "P2001", "unknown plugin",
        "A plugin is named that this binary does not contain.",
        "It is misspelt, or the binary was built without its cargo feature.",
        "Use the suggested name, or build with the feature that the message names; `phlo plugin list` shows what is linked.";
    DuplicatePlugin = "P2002", "two plugins of one name",
        "Two linked crates register the same kind and name.",
        "Which of them would serve could only be decided silently.",
        "Build without one of the two crates that are named.";
    PluginDenied = "P2003", "plugin not allowed",
        "A plugin is linked, but `plugins.allow` or `plugins.deny` in `phlo.yaml` excludes it.",
        "The platform owner's choice.",
        "Use another plugin, or change the list.";
    PluginFailed = "P2004", "plugin failed to start",
        "A plugin's constructor returned an error.",
        "Its settings, or something that it needs, are not there.",
        "Read the cause; the rest of the platform runs. `phlo plugin check` shows all of them.";
    PluginPanicked = "P2005", "plugin panicked",
        "A plugin panicked. The panic stayed inside that plugin.",
        "A bug in the plugin.",
        "Report it to the plugin's authors (`phlo plugin info NAME`), with the message.";
    MissingCapability = "P2006", "capability missing",
        "A plugin or asset needs a capability that nobody provides.",
        "No linked, allowed and working plugin provides it.",
        "Build with a plugin that does; the message lists the candidates.";
    AmbiguousCapability = "P2007", "capability undecided",
        "Several providers could serve a capability and none is chosen.",
        "phlo never guesses.",
        "Choose one in `phlo.yaml` under `capabilities.defaults`, or for one asset with `capability_overrides`.";
    UnknownCapability = "P2008", "unknown capability type",
        "A capability type is not known.",
        "It is misspelt, or the plugin was written for another version of phlo.",
        "Use the suggested type.";
    InvalidRegistration = "P2009", "registration refused",
        "A plugin registered something that cannot work.",
        "For instance a hook whose event filter matches nothing.",
        "Report it to the plugin's authors.";

    ConnectionFailed = "P3001", "connection failed",
        "A system could not be reached.",
        "The address is wrong, the system is down, or the network is.",
        "Check the address and that the system runs; the message says whether trying again can help.";
    AuthFailed = "P3002", "not authorised",
        "A system refused the credentials.",
        "A token or password is missing, wrong or expired.",
        "Check the variable that holds it; phlo never prints it.";
    SourceNotFound = "P3003", "source data not found",
        "A file, object or endpoint does not exist, or a pattern matches nothing.",
        "A wrong path, or data that has not arrived.",
        "Check the path; patterns are relative to the project.";
    MalformedData = "P3004", "malformed data",
        "Data does not parse as its format or column type.",
        "A broken record, or a column whose inferred type does not hold for all rows.",
        "Mend the record that is shown, declare the column's type under `columns:`, or list its mark for missing values in `null_values`.";
    RemoteRefused = "P3005", "request refused",
        "A server answered with an error.",
        "The status and the beginning of the answer are in the message.",
        "Check the request's parameters against the server's documentation.";
    RemoteBusy = "P3006", "server busy",
        "A server kept answering that it is busy, or did not answer in time.",
        "Rate limits, overload or a slow network.",
        "Try again later; raise `retry.max_attempts` or `timeout`.";
    SchemaMismatch = "P3007", "schema does not fit",
        "Incoming columns do not fit the table under the asset's schema policy.",
        "A column is new, missing or has another type, and the policy or the table format forbids the change.",
        "Change the asset's `write.schema` policy, cast the column, or rebuild with `--full-refresh`.";

    SourceUnreadable = "P3008", "source data cannot be read",
        "A file is there and cannot be read.",
        "Permissions forbid it, or the disk or network share that it lies on fails.",
        "Give the user that runs phlo permission to read it, or mend the disk.";

    TableBusy = "P4001", "table is being written",
        "Another phlo is writing the same table.",
        "One writer at a time holds a table's lock.",
        "Wait for the run that the message names, or raise `write.lock_wait`.";
    CommitConflict = "P4002", "somebody else committed",
        "Other writers kept committing to the table while this run audited its rows.",
        "Every change of the table means a new audit; after several the run gives up. Nothing was committed.",
        "Run again when the other writer is done.";
    StorageFailed = "P4003", "storage failed",
        "Reading or writing a table's storage failed.",
        "The disk is full, permissions forbid it, or the object store did not answer.",
        "Read the cause; nothing became visible.";
    DuplicateKeys = "P4004", "duplicate keys in the batch",
        "The incoming rows hold one key several times, and a merge cannot choose among them.",
        "The data has duplicates, or `unique_key` is not unique.",
        "Add `deduplicate: {keep: last, order_by: COLUMN}` to `write`, or complete the key.";
    Unsupported = "P4005", "not supported by the store",
        "The table store cannot do what is asked.",
        "The operation or type is not part of its format.",
        "Use another strategy, type or store.";
    TableDamaged = "P4006", "table cannot be read",
        "A table's metadata or files are not readable.",
        "Files were removed or written by hand, or by a newer writer.",
        "Restore the files, or rebuild the table with `--full-refresh`.";
    UnknownVersion = "P4007", "no such version",
        "A table does not have that version.",
        "It was never written, or cleaned up.",
        "`phlo table history TABLE` lists the versions.";

    CheckFailed = "P5001", "a blocking check failed",
        "Rows broke a check with severity `error`; nothing was committed.",
        "The data, or the rule, is not what was expected.",
        "Look at the failing rows with `phlo quality show ASSET`; raise `tolerance` or lower `severity` if they are acceptable.";
    CheckErrored = "P5002", "a check could not run",
        "A check errored or did not run, which counts as failed.",
        "Its column or SQL does not fit the data, or its plugin failed.",
        "Mend the check as the cause says.";
    UnknownColumn = "P5003", "unknown column",
        "A check or setting names a column that the table does not have.",
        "It is misspelt, or the source does not deliver it.",
        "Use the suggested column.";

    UpstreamFailed = "P6002", "skipped",
        "An asset was not run because one that it depends on failed.",
        "Building on data that failed would spread the failure.",
        "Mend the upstream asset and run again.";
    Interrupted = "P6003", "interrupted",
        "The run was interrupted.",
        "Ctrl-C or a stop signal.",
        "Run again; nothing half-written is visible.";
    HistoryFailed = "P6004", "run history failed",
        "The run history could not be read or written.",
        "The disk is full, or the file is damaged or from a newer phlo.",
        "Check `.phlo/`; the tables do not depend on it.";
    HookFailed = "P6005", "a hook failed",
        "A hook with the policy `raise` failed.",
        "Its policy asks that its failure fail the run.",
        "Mend the cause, or choose another failure policy.";
    EngineFailed = "P6006", "query failed",
        "A query failed while it ran.",
        "For instance a division by zero, a cast that fails, or too little memory.",
        "Mend the SQL or the data that the message names.";

    BuildFailed = "P7001", "build failed",
        "`phlo build` could not make a binary.",
        "Cargo is not installed, a crate or version does not exist, or a crate does not compile.",
        "Read what cargo says above the error; the error names the crate.";

    Internal = "P9001", "a fault of phlo",
        "Something happened that phlo's authors thought impossible.",
        "A bug.",
        "Please report it with the message and what you ran.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Code {
    /// Whether it is about data and the systems that hold it (P3): then the project may be right all the same.
    pub fn is_of_data(self) -> bool {
        self.as_str().starts_with("P3")
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        Code::ALL.iter().copied().find(|c| c.as_str() == upper).ok_or_else(|| format!("there is no code `{text}`"))
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A stable error code, e.g. P1002.", "pattern": r"^P\d{4}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_explained() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].as_str() < pair[1].as_str(), "{} then {}", pair[0], pair[1]);
        }
        for code in Code::ALL {
            let Explanation { what, why, fix } = code.explanation();
            assert!([what, why, fix].iter().all(|t| t.len() > 5 && t.ends_with('.')), "{code}");
            assert_eq!(code.as_str().parse::<Code>(), Ok(*code));
        }
    }
}
