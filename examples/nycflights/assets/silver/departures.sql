/* phlo
description: Departures with the carrier's name, the plane and the destination
checks:
  - unique: [flight_date, carrier, flight, origin, sched_dep_time]
  - not_null: [flight_date, carrier_name]
  # Reconciliation: no flight is lost or doubled by the joins.
  - reconcile_keys:
      with: bronze.flights
      key: [carrier, flight, origin, sched_dep_time, time_hour]
  - business_rule: { rule: "air_time > 0", name: flown_flights_take_time, tolerance: 0.001 }
*/
select
    make_date(f.year, f.month, f.day) as flight_date,
    f.carrier,
    a.name as carrier_name,
    f.flight,
    f.tailnum,
    p.manufacturer,
    p.seats,
    f.origin,
    f.dest,
    d.name as dest_name,
    f.sched_dep_time,
    f.dep_time is null as cancelled,
    f.dep_delay,
    f.arr_delay,
    f.air_time,
    f.distance,
    f.time_hour
from bronze.flights f
join bronze.airlines a using (carrier)
left join bronze.planes p on p.tailnum = f.tailnum
left join bronze.airports d on d.faa = f.dest
