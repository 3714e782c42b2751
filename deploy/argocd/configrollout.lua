-- Health of one attempt. One that ended is history: what it left behind is the health of its Canary.
local health = {status = "Progressing", message = "Not begun"}
local status = obj.status
if status == nil or status.phase == nil then
  return health
end

health.message = status.reason or status.phase
if status.endedAt ~= nil and status.endedAt ~= "" then
  health.status = "Healthy"
  health.message = (status.outcome or status.phase) .. ": " .. health.message
elseif status.waitingFor ~= nil and status.waitingFor ~= "" then
  health.status = "Suspended"
  health.message = "Waiting for " .. status.waitingFor
elseif status.paused ~= nil and status.paused ~= "" then
  health.status = "Suspended"
  health.message = "Paused by " .. status.paused
end
return health
