"""`complete`: a zip of nine tables that agree with one another. In: nothing. Out: the export.

archive                which files, in which order
transactions           one row a transaction, whatever became of it
items                  one row a line of the sales register
coupons_used           one row a coupon of a transaction
payment_methods        what was paid, by month and method
summary                totals by day, week and month, from one statement
sku_by_month           what was sold of each article
subscription_forecast  what active subscriptions will bring in the next twelve months
"""
