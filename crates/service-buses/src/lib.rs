//! Buses and schedules: Amazon EventBridge and EventBridge Scheduler.
