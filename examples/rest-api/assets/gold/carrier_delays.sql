/* phlo
description: How late each carrier was, by month
checks:
  - unique: [carrier, year, month]
  - not_null: [carrier_name]
  - business_rule: { rule: "cancelled <= flights", name: cancelled_are_flights }
*/
select
    f.carrier,
    a.name as carrier_name,
    f.year,
    f.month,
    count(*) as flights,
    sum(case when f.dep_time is null then 1 else 0 end) as cancelled,
    round(avg(f.dep_delay), 1) as mean_dep_delay,
    round(avg(f.arr_delay), 1) as mean_arr_delay
from bronze.flights f
left join bronze.airlines a on a.carrier = f.carrier
group by f.carrier, a.name, f.year, f.month
