"""What can go wrong between an event and its delivery."""

from isp_plugins.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError


class EventLogUnavailableError(UnavailableError):
    """The database cannot keep events now: {cause}. See that it runs and has room on its disk."""


class AttemptCutOffError(UnavailableError):
    """The process that delivered it was killed or crashed during this attempt. If that happens again and again with this event, see what it does to the plugin."""

    cut_off = True
    """It may have been another one that was under way then."""


class EventNotFoundError(NotFoundError):
    """There is no event {event_id}: it never was, or retention deleted it. `isp-plugins events list` shows those that are kept."""


class EventSubscriptionNotFoundError(NotFoundError):
    """The subscription {subscription_id} is no event subscription: `isp-plugins events lag` lists them with their ids."""


class NoDeadLetterError(ConflictError):
    """The event {event_id} is no dead letter of subscription {subscription_id}, and is not being retried: it is {status}. To deliver it again, replay it."""


class EventNotDiscardableError(ConflictError):
    """The event {event_id} of subscription {subscription_id} is {status}: only what failed (retrying, held_back, dead) can be discarded."""


class EventRangeInvalidError(InvalidInputError):
    """These events cannot be chosen: {problem}. Name events by id, or a range by `from_id` and `to_id` or `since` and `until`."""


class TooManyEventsError(InvalidInputError):
    """{count:,} events would be replayed at once, at most {limit:,} are: choose a smaller range, or set the subscription back (`seek`)."""
