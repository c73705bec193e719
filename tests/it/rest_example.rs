//! `examples/rest-api`, as a newcomer runs it: with its own server, from January to February, and with each deliberate mistake.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::fixture::{Project, Said, repository, tool};

/// The example's server, until it is dropped.
struct Server {
    process: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = repository().join("examples/rest-api");
        let mut process = Command::new("python3")
            .arg("server.py")
            .args(["--port", "0"])
            .args(options)
            .current_dir(folder)
            .env_remove("CARRIER_TOKEN")
            .env_remove("THROUGH")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_once(" at ").and_then(|(_, rest)| rest.split_once(';')).map(|(address, _)| address);
        let Some(address) = address.map(str::to_owned) else {
            let mut told = String::new();
            process.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("no address: {line}{told}");
        };
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (process.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { process, address, log }
    }

    /// What was asked since the last look: the targets of the requests for flights.
    fn asked(&self) -> Vec<String> {
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let target = |line: &str| line.split("\"GET ").nth(1)?.split(' ').next().map(str::to_owned);
        log.lines().filter_map(target).filter(|target| target.starts_with("/flights")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// phlo with the server's address.
fn phlo(project: &Project, server: &Server, args: &[&str]) -> Said {
    project.phlo_with(&[("CARRIER_API", &server.address), ("CARRIER_TOKEN", "demo-token")], args)
}

#[test]
fn the_second_pull_fetches_only_what_is_new() {
    if !tool("python3") {
        return;
    }
    let project = Project::example("rest-api");
    let server = Server::start(&[]);
    phlo(&project, &server, &["check"]).exits(0);
    assert!(server.asked().is_empty(), "with every column declared, `phlo check` needs no server");

    let record = phlo(&project, &server, &["run", "--json"]).exits(0).json();
    assert!(record["assets"].as_array().unwrap().iter().all(|a| a["status"] == "success"), "{record}");
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].as_str()), (28, "/flights?limit=1000&page=1"), "{asked:?}");
    assert_eq!(project.one("select count(*) from bronze.airlines"), 16);
    assert_eq!(project.one("select count(*) from bronze.flights"), 27_004);
    assert_eq!(project.one("select sum(flights) from gold.carrier_delays"), 27_004);

    // Nothing is new.
    let record = phlo(&project, &server, &["run", "bronze.flights", "--json"]).exits(0).json();
    assert_eq!(record["assets"][0]["status"], "unchanged", "{record}");
    assert_eq!(server.asked(), ["/flights?since=27004&limit=1000&page=1"]);
    drop(server);

    let server = Server::start(&["--through", "2013-02"]);
    let record = phlo(&project, &server, &["run", "--json"]).exits(0).json();
    let flights = record["assets"].as_array().unwrap().iter().find(|a| a["asset"] == "bronze.flights").unwrap();
    assert_eq!(flights["rows_inserted"].as_u64(), Some(24_951), "{record}");
    let asked = server.asked();
    let pages: Vec<_> = (1..=25).map(|page| format!("/flights?since=27004&limit=1000&page={page}")).collect();
    assert_eq!(asked, pages, "nothing before `since` is asked for");
    let months =
        project.sql("select month, sum(flights) as flights from gold.carrier_delays group by month order by month");
    let months: Vec<_> = months.iter().map(|row| (row["month"].as_i64(), row["flights"].as_i64())).collect();
    assert_eq!(months, [(Some(1), Some(27_004)), (Some(2), Some(24_951))]);
    assert_eq!(project.one("select count(*) - count(distinct id) from bronze.flights"), 0);
}

#[test]
fn each_deliberate_mistake_of_the_readme_is_told_as_it_says_and_changes_nothing() {
    if !tool("python3") {
        return;
    }
    const TOKEN: &str = "wr0ng-t0ken";
    let project = Project::example("rest-api");
    let server = Server::start(&[]);
    phlo(&project, &server, &["run"]).exits(0);
    let published = || {
        let versions = project.phlo(&["table", "history", "bronze.flights", "--json"]).exits(0).stdout;
        (project.sql("select count(*) as n, max(id) as id from bronze.flights"), versions)
    };
    let before = published();
    let file = project.path().join("assets/bronze/flights.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let refresh = &["run", "--full-refresh", "bronze.flights"][..];
    let url = format!("{}/flights", server.address);
    // What is replaced in the file, the command, and what is said.
    for (from, to, args, exit, says) in [
        (
            "endpoint: flights",
            "endpoint: flight",
            &["run", "bronze.flights"][..],
            1,
            &["P3003", "404", &url[..url.len() - 1], "help: "][..],
        ),
        (
            "page_size: 1000",
            "page_size: 5000",
            &["run", "bronze.flights"],
            1,
            &["P3005", "400", "limit must be a whole number from 1 to 1000", "help: "],
        ),
        (
            "  distance: int32\n",
            "",
            refresh,
            1,
            &[
                "P3004",
                "reading page 1",
                &url,
                "the field `distance` is not declared",
                "record: 1",
                "value: 1400",
                "help: declare it: `columns: {distance: int64}`",
            ],
        ),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let said = phlo(&project, &server, args).exits(exit);
        for part in says {
            assert!(said.stderr.contains(part), "{to}: {part:?} is not said:\n{}", said.stderr);
        }
        std::fs::write(&file, &text).unwrap();
        assert_eq!(before, published(), "{to}");
    }

    let run = |address: &str, token: &str| {
        let variables = [("CARRIER_API", address), ("CARRIER_TOKEN", token)];
        (project.phlo_with(&variables, &["run", "bronze.flights"]), project.phlo_with(&variables, &["runs", "--json"]))
    };
    let (said, runs) = run(&server.address, TOKEN);
    let said = said.exits(4);
    for part in
        ["P3002", "401", &url, "a valid bearer token is required", "help: check the variable that holds `auth_token`"]
    {
        assert!(said.stderr.contains(part), "{part:?} is not said:\n{}", said.stderr);
    }
    assert!(!said.all().contains(TOKEN) && !runs.all().contains(TOKEN), "{}", said.all());

    let address = server.address.clone();
    drop(server);
    let said = run(&address, "demo-token").0.exits(4);
    let host = address.trim_start_matches("http://");
    for part in ["P3001", &format!("no connection to {host}"), "help: check that the server runs"] {
        assert!(said.stderr.contains(part), "{part:?} is not said:\n{}", said.stderr);
    }
    assert_eq!(before, published());
}
