/* phlo
description: Departure delay by visibility and rain at the hour of departure
checks:
  - row_count: { min: 2 }
*/
select
    case when w.visibility_miles < 2 then 'poor' when w.visibility_miles < 8 then 'fair' else 'good' end as visibility,
    w.rain_inches > 0 as rain,
    count(*) as flights,
    round(avg(d.dep_delay), 1) as mean_dep_delay
from silver.departures d
join silver.weather_hours w on w.origin = d.origin and w.time_hour = d.time_hour
group by 1, 2
