/* phlo
description: How punctual each carrier is
checks:
  - unique: [carrier]
  - range: { column: on_time_share, min: 0, max: 1 }
*/
select
    carrier,
    carrier_name,
    count(*) as flights,
    round(avg(case when arr_delay <= 15 then 1.0 else 0.0 end), 3) as on_time_share,
    round(avg(arr_delay), 1) as mean_arr_delay,
    sum(seats) as seats_offered
from silver.departures
where not cancelled
group by carrier, carrier_name
