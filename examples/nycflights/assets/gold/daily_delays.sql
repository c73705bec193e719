/* phlo
description: Delays by day and origin
checks:
  - unique: [flight_date, origin]
  - reconcile_aggregates:
      with: silver.departures
      by: [origin]
      aggregate: { this: "sum(flights)", other: "count(*)" }
  - business_rule: { rule: "cancelled <= flights", name: cancelled_are_flights }
*/
select
    flight_date,
    origin,
    c.is_weekend,
    count(*) as flights,
    sum(case when cancelled then 1 else 0 end) as cancelled,
    round(avg(dep_delay), 1) as mean_dep_delay,
    round(avg(arr_delay), 1) as mean_arr_delay,
    max(dep_delay) as worst_dep_delay
from silver.departures
join calendar.days c on c.day = flight_date
group by flight_date, origin, c.is_weekend
