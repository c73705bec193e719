/* phlo
description: What was paid, by day
checks:
  - unique: [day]
*/
select ordered_on as day, count(*) as orders, sum(amount) as revenue
from bronze.orders
where status = 'paid'
group by ordered_on
