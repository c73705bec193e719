//! The rows against what others say that they are: the specification's counts, `dbgen`, and the generator's own CSV.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Display;

use arrow_array::RecordBatch;
use futures::StreamExt;
use phlo_plugin::prelude::*;
use phlo_source_tpch::{Table, TpchConfig, TpchSource};
use phlo_testkit::fixture::rows;
use tpchgen::{csv, generators as g};

async fn read(table: Table, scale: f64, parallelism: usize) -> Vec<Vec<RecordBatch>> {
    let request = ReadRequest { parallelism, batch_rows: 1000, ..ReadRequest::default() };
    let reading = reading(table, scale, request).await.unwrap();
    let mut all = Vec::new();
    for stream in reading.streams {
        all.push(stream.map(Result::unwrap).collect().await);
    }
    all
}

async fn reading(table: Table, scale: f64, request: ReadRequest) -> Result<Reading> {
    let source = TpchSource::create(NoSettings {}, &InitContext::at("/nowhere"))?;
    source.read(&TpchConfig { table, scale }, &SourceContext::at("/nowhere"), request).await
}

/// A text of CSV as the fixture writes rows. No text of these tables holds a quote, a bar or a line break.
fn cells(line: impl Display) -> String {
    let (mut out, mut quoted) = (String::new(), false);
    for sign in line.to_string().chars() {
        match sign {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push('|'),
            _ => out.push(sign),
        }
    }
    out
}

#[tokio::test]
async fn row_counts_are_the_specifications() {
    for (table, at_thousandth, at_hundredth) in [
        (Table::Customer, 150, 1500),
        (Table::Lineitem, 6005, 60175),
        (Table::Nation, 25, 25),
        (Table::Orders, 1500, 15000),
        (Table::Part, 200, 2000),
        (Table::Partsupp, 800, 8000),
        (Table::Region, 5, 5),
        (Table::Supplier, 10, 100),
    ] {
        for (scale, expected) in [(0.001, at_thousandth), (0.01, at_hundredth)] {
            let read = read(table, scale, 3).await;
            let count: usize = read.iter().flatten().map(RecordBatch::num_rows).sum();
            assert_eq!(count, expected, "{table:?} at {scale}");
        }
    }
}

#[tokio::test]
async fn the_first_line_items_are_those_of_dbgen() {
    // `dbgen -s 1`, the head of lineitem.tbl.
    let expected = [
        "1|155190|7706|1|17|21168.23|0.04|0.02|N|O|1996-03-13|1996-02-12|1996-03-22|DELIVER IN PERSON|TRUCK|egular courts above the|",
        "1|67310|7311|2|36|45983.16|0.09|0.06|N|O|1996-04-12|1996-02-28|1996-04-20|TAKE BACK RETURN|MAIL|ly final dependencies: slyly bold |",
        "1|63700|3701|3|8|13309.60|0.10|0.02|N|O|1996-01-29|1996-03-05|1996-01-31|TAKE BACK RETURN|REG AIR|riously. regular, express dep|",
    ];
    let reading = reading(Table::Lineitem, 1.0, ReadRequest { batch_rows: 3, ..ReadRequest::default() }).await.unwrap();
    let mut stream = reading.streams.into_iter().next().unwrap();
    let first = stream.next().await.unwrap().unwrap();
    // `dbgen` writes quantities without their decimals.
    let quantity = |line: &str| {
        let mut cells: Vec<_> = line.trim_end_matches('|').split('|').map(str::to_owned).collect();
        cells[4].push_str(".00");
        cells.join("|")
    };
    assert_eq!(rows([&first]), expected.map(quantity));
}

#[tokio::test]
async fn every_row_is_the_generators_csv() {
    let scale = 0.001;
    let csv: BTreeMap<&str, (&str, Vec<String>)> = BTreeMap::from([
        (
            "customer",
            (
                csv::CustomerCsv::header(),
                g::CustomerGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::CustomerCsv::new(it))).collect(),
            ),
        ),
        (
            "lineitem",
            (
                csv::LineItemCsv::header(),
                g::LineItemGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::LineItemCsv::new(it))).collect(),
            ),
        ),
        (
            "nation",
            (
                csv::NationCsv::header(),
                g::NationGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::NationCsv::new(it))).collect(),
            ),
        ),
        (
            "orders",
            (
                csv::OrderCsv::header(),
                g::OrderGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::OrderCsv::new(it))).collect(),
            ),
        ),
        (
            "part",
            (
                csv::PartCsv::header(),
                g::PartGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::PartCsv::new(it))).collect(),
            ),
        ),
        (
            "partsupp",
            (
                csv::PartSuppCsv::header(),
                g::PartSuppGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::PartSuppCsv::new(it))).collect(),
            ),
        ),
        (
            "region",
            (
                csv::RegionCsv::header(),
                g::RegionGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::RegionCsv::new(it))).collect(),
            ),
        ),
        (
            "supplier",
            (
                csv::SupplierCsv::header(),
                g::SupplierGenerator::new(scale, 1, 1).iter().map(|it| cells(csv::SupplierCsv::new(it))).collect(),
            ),
        ),
    ]);
    for table in Table::ALL {
        let batches = read(table, scale, 1).await.concat();
        let (header, expected) = &csv[table.as_str()];
        let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names.join(","), *header, "{table:?}");
        let mut found = rows(&batches);
        if table == Table::Lineitem {
            let quantity = |row: String| {
                row.split('|')
                    .enumerate()
                    .map(|(at, cell)| if at == 4 { cell.trim_end_matches(".00") } else { cell })
                    .collect::<Vec<_>>()
                    .join("|")
            };
            found = found.into_iter().map(quantity).collect();
        }
        assert_eq!(&found, expected, "{table:?}");
    }
}

#[tokio::test]
async fn the_streams_one_after_the_other_are_the_table() {
    for table in Table::ALL {
        let whole = read(table, 0.01, 1).await;
        let divided = read(table, 0.01, 7).await;
        let expected = if matches!(table, Table::Nation | Table::Region) { 1 } else { 7 };
        assert_eq!((whole.len(), divided.len()), (1, expected), "{table:?}");
        assert!(divided.iter().all(|stream| !stream.is_empty()), "{table:?}: a stream has nothing to do");
        assert_eq!(rows(divided.iter().flatten()), rows(&whole[0]), "{table:?}");
    }
}

#[tokio::test]
async fn another_scale_is_not_added_to_a_table() {
    let first = reading(Table::Nation, 1.0, ReadRequest::default()).await.unwrap();
    let resume = |cursor| ReadRequest { cursor, ..ReadRequest::default() };
    let Err(err) = reading(Table::Nation, 2.0, resume(first.checkpoint.get())).await else { panic!("it was") };
    assert_eq!(err.message(), "the table holds nation at scale 1, and the config says nation at scale 2");
    assert!(err.hints()[0].contains("--full-refresh"), "{err:?}");
    for cursor in [first.checkpoint.get(), Some(serde_json::json!({"scale": 1, "table": "nation"}))] {
        let again = reading(Table::Nation, 1.0, resume(cursor)).await.unwrap();
        assert_eq!(again.streams.into_iter().next().unwrap().count().await, 0);
        assert_eq!(again.checkpoint.get(), first.checkpoint.get());
    }
}

#[tokio::test]
async fn an_interrupted_run_stops_it() {
    let context = SourceContext::at("/nowhere");
    let source = TpchSource::create(NoSettings {}, &InitContext::at("/nowhere")).unwrap();
    let config = TpchConfig { table: Table::Orders, scale: 1000.0 };
    let mut reading = source.read(&config, &context, ReadRequest::default()).await.unwrap();
    assert!(reading.streams[0].next().await.unwrap().is_ok());
    context.cancel.cancel();
    assert_eq!(reading.streams[0].next().await.unwrap().unwrap_err().code(), Code::Interrupted);
}
