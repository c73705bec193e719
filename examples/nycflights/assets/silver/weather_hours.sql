/* phlo
description: One row an hour and origin, with the figures that delay flights
checks:
  - unique: [origin, time_hour]
*/
select
    origin,
    time_hour,
    max(temp) as temp_f,
    max(wind_speed) as wind_mph,
    sum(precip) as rain_inches,
    min(visib) as visibility_miles
from bronze.weather
group by origin, time_hour
