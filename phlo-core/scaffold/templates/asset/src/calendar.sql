select
    day,
    cast(date_part('year', day) as int) as year,
    cast(date_part('quarter', day) as int) as quarter,
    cast(date_part('month', day) as int) as month,
    cast(date_part('day', day) as int) as day_of_month,
    cast(date_part('isodow', day) as int) as weekday,
    date_part('isodow', day) >= 6 as is_weekend
from (
    select unnest(generate_series(date '{from}', date '{to}', interval '1 day')) as day
)
